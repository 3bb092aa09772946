#include "native/backend/computation.h"

#include "native/error.h"

namespace nd::backend {

namespace {

constexpr size_t kMaxInputs = 1024;  // XL's UNet has 140 of keys and values alone

}  // namespace

Computation::Computation() : inputs_(kMaxInputs) {}

ggml_tensor* Computation::input(ggml_type type, Extents ne) {
    check_count(input_count_++, kMaxInputs, "inputs");
    check_extents(ne);
    ggml_tensor* tensor = ggml_new_tensor(inputs_.get(), type, 4, ne.data());
    ggml_set_input(tensor);
    return tensor;
}

void Computation::allocate_inputs(ggml_backend_buffer_type_t type, const std::string& where) {
    if (inputs_buffer_ || !ggml_get_first_tensor(inputs_.get())) return;
    check_headroom();
    inputs_buffer_.reset(ggml_backend_alloc_ctx_tensors_from_buft(inputs_.get(), type));
    if (!inputs_buffer_) {
        fail("OUT_OF_MEMORY", "no memory", where, " for the inputs of a graph, ",
             ggml_backend_alloc_ctx_tensors_from_buft_size(inputs_.get(), type), " bytes");
    }
}

}  // namespace nd::backend
