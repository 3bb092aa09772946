#include "native/backend/tensor_context.h"

#include <new>

#include "native/error.h"

namespace nd::backend {

namespace {

constexpr size_t kHeadroom = size_t{8} << 20;  // a UNet's plan takes a tenth of it

std::unique_ptr<std::byte[]> allocate(size_t size) {
    auto* memory = new (std::nothrow) std::byte[size];  // not touched: pages that nobody uses cost nothing
    if (!memory) fail("OUT_OF_MEMORY", "no memory for tables of ", size, " bytes");
    return std::unique_ptr<std::byte[]>(memory);
}

}  // namespace

TensorContext::TensorContext(size_t tensors, size_t extra) {
    check_headroom();
    const size_t size = tensors * ggml_tensor_overhead() + extra;
    memory_ = allocate(size);
    context_.reset(ggml_init({size, memory_.get(), /*no_alloc=*/true}));
}

void check_headroom() {
    // Kept from the optimiser, which may leave out an allocation that nobody uses.
    [[maybe_unused]] std::byte* volatile probe = allocate(kHeadroom).get();
}

}  // namespace nd::backend
