// What is built once and run many times, on whatever device: graphs of our own kernels, or of ggml's operations.
#pragma once

#include <ggml-backend.h>
#include <ggml.h>

#include <string>

#include "native/backend/cancel_token.h"
#include "native/backend/device_failures.h"
#include "native/backend/extents.h"
#include "native/backend/tensor_context.h"

namespace nd::backend {

class Computation {
  public:
    Computation();
    virtual ~Computation() = default;

    // A tensor in a buffer of its own, which keeps its contents between runs.
    ggml_tensor* input(ggml_type type, Extents ne);
    // The bytes that the nodes need, inputs not counted.
    virtual size_t measure() = 0;
    // Those of the inputs, once they have been measured.
    size_t input_bytes() const { return inputs_buffer_ ? ggml_backend_buffer_get_size(inputs_buffer_.get()) : 0; }
    // Runs the nodes in order. Throws ABORTED where `token` asks for it, or what a node threw.
    virtual void compute(const CancelToken* token) = 0;

  protected:
    // Once, before the nodes are planned. Throws OUT_OF_MEMORY, which says `where` there is none.
    void allocate_inputs(ggml_backend_buffer_type_t type, const std::string& where);
    // Before their device goes.
    void free_inputs() { inputs_buffer_.reset(); }

  private:
    TensorContext inputs_;
    size_t input_count_ = 0;
    Buffer inputs_buffer_;
};

}  // namespace nd::backend
