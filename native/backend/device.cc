#include "native/backend/device.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <exception>

#include "native/backend/tensor_context.h"
#include "native/error.h"

namespace nd::backend {

namespace {

ggml_status run(ggml_backend_t backend, ggml_cgraph* graph) {
    try {
        return ggml_backend_graph_compute(backend, graph);
    } catch (const std::exception& error) {  // Vulkan's
        fail("COMPUTE_FAILED", ggml_backend_name(backend), ": ", error.what());
    }
}

}  // namespace

std::shared_ptr<Device> Device::open(std::string name, ggml_backend_dev_t device, size_t most) {
    const char* description = ggml_backend_dev_description(device);
    check_headroom();
    ggml_backend_t backend = nullptr;
    try {
        backend = ggml_backend_dev_init(device, nullptr);
    } catch (const std::exception& error) {
        fail("DEVICE_UNAVAILABLE", description, " could not be started: ", error.what());
    }
    if (backend == nullptr) fail("DEVICE_UNAVAILABLE", description, " could not be started");
    std::shared_ptr<Device> opened(new Device(std::move(name), backend, most));
    try {
        opened->probe();
    } catch (const Error& error) {
        fail("DEVICE_UNAVAILABLE", description, " failed its probe: ", error.what());
    }
    return opened;
}

// y = w x for numbers that every format represents exactly.
void Device::probe() const {
    constexpr int64_t kIn = 64, kOut = 16, kColumns = 8;
    TensorContext context(8, ggml_graph_overhead());
    ggml_tensor* w = ggml_new_tensor_2d(context.get(), GGML_TYPE_F16, kIn, kOut);
    ggml_tensor* x = ggml_new_tensor_2d(context.get(), GGML_TYPE_F32, kIn, kColumns);
    ggml_tensor* y = ggml_mul_mat(context.get(), w, x);
    ggml_cgraph* graph = ggml_new_graph(context.get());
    ggml_build_forward_expand(graph, y);
    const ggml_backend_buffer_ptr buffer(ggml_backend_alloc_ctx_tensors(context.get(), backend_.get()));
    if (!buffer) fail("OUT_OF_MEMORY", "no memory for a few numbers");
    std::array<ggml_fp16_t, kIn * kOut> weights;
    std::array<float, kIn * kColumns> values;
    for (int64_t i = 0; i < kIn * kOut; i++)
        weights[static_cast<size_t>(i)] = ggml_fp32_to_fp16(static_cast<float>(i / kIn % 5 - 2));
    for (int64_t i = 0; i < kIn * kColumns; i++) values[static_cast<size_t>(i)] = static_cast<float>(i / kIn % 3 + 1);
    ggml_backend_tensor_set(w, weights.data(), 0, sizeof(weights));
    ggml_backend_tensor_set(x, values.data(), 0, sizeof(values));
    compute(graph);
    std::array<float, kOut * kColumns> products;
    ggml_backend_tensor_get(y, products.data(), 0, sizeof(products));
    for (int64_t i = 0; i < kOut * kColumns; i++) {
        const auto expected = static_cast<float>(kIn * (i % kOut % 5 - 2) * (i / kOut % 3 + 1));
        const float got = products[static_cast<size_t>(i)];
        if (!(std::abs(got - expected) <= 0.01f * std::abs(expected) + 0.01f))
            fail("COMPUTE_FAILED", "a product came out as ", got, " in place of ", expected);
    }
}

size_t Device::free_memory() const {
    size_t free = 0, total = 0;
    ggml_backend_dev_memory(ggml_backend_get_device(backend_.get()), &free, &total);
    return std::min(most_, total > 0 ? free : SIZE_MAX);
}

bool Device::multiplies(ggml_type type) const {
    const int64_t in = ggml_blck_size(type) * 4;
    const TensorContext context(4);
    ggml_tensor* w = ggml_new_tensor_2d(context.get(), type, in, 64);
    return supports(ggml_mul_mat(context.get(), w, ggml_new_tensor_2d(context.get(), GGML_TYPE_F32, in, 64)));
}

void Device::compute(ggml_cgraph* graph) const {
    const ggml_status status = run(backend_.get(), graph);
    if (status != GGML_STATUS_SUCCESS)
        fail("COMPUTE_FAILED", ggml_backend_name(backend_.get()), ": ", ggml_status_to_string(status));
}

}  // namespace nd::backend
