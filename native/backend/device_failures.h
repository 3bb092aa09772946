// What happens where ggml or a driver fails: an error, and not the end of the process.
//
// ggml calls ggml_abort() where an assertion or a call of a driver fails, and expects not to go on. It throws from here
// on, through ggml's own functions. Memory of a device that is lost by such a failure is left alone: giving it back
// would fail once more, in a destructor, where nothing can be thrown.
#pragma once

#include <ggml-alloc.h>
#include <ggml-backend.h>

#include <memory>

namespace nd::backend {

// From now on what ggml aborts at is thrown as COMPUTE_FAILED, or as OUT_OF_MEMORY where it says that, with the last
// error in its log. Its log goes nowhere else.
void throw_what_ggml_aborts_at();

// Computes, and waits for the end of it. Throws COMPUTE_FAILED, OUT_OF_MEMORY.
void run_graph(ggml_backend_t backend, ggml_cgraph* graph);

// Whether a device does not compute any more. It is probed again after each failure of any device.
bool is_lost(ggml_backend_dev_t device) noexcept;

struct FreeBuffer {
    void operator()(ggml_backend_buffer_t buffer) const noexcept;
};
using Buffer = std::unique_ptr<ggml_backend_buffer, FreeBuffer>;

struct FreeAllocator {
    ggml_backend_dev_t device;
    void operator()(ggml_gallocr_t allocator) const noexcept;
};
using Allocator = std::unique_ptr<ggml_gallocr, FreeAllocator>;

struct FreeBackend {
    void operator()(ggml_backend_t backend) const noexcept;
};
using Backend = std::unique_ptr<ggml_backend, FreeBackend>;

}  // namespace nd::backend
