// ggml's lists of tensors, made so that a lack of memory is an error: ggml itself would end the process.
#pragma once

#include <ggml-cpp.h>
#include <ggml.h>

#include <cstddef>
#include <memory>

namespace nd::backend {

class TensorContext {
  public:
    // Room for the description of so many tensors, which hold no data yet, and for `extra` bytes beside. Throws
    // OUT_OF_MEMORY.
    explicit TensorContext(size_t tensors, size_t extra = 0);

    ggml_context* get() const { return context_.get(); }

  private:
    std::unique_ptr<std::byte[]> memory_;
    ggml_context_ptr context_;
};

// Throws OUT_OF_MEMORY where the few megabytes are not to be had that ggml takes for tables of its own, whose absence
// would end the process. To be called before it plans a graph or places tensors.
void check_headroom();

}  // namespace nd::backend
