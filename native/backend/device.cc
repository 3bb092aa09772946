#include "native/backend/device.h"

#include <algorithm>
#include <exception>

#include "native/backend/device_probe.h"
#include "native/backend/tensor_context.h"
#include "native/error.h"

namespace nd::backend {

bool is_software(ggml_backend_dev_t device) {
    const std::string description = ggml_backend_dev_description(device);
    for (const char* name : {"llvmpipe", "lavapipe", "SwiftShader"}) {
        if (description.find(name) != std::string::npos) return true;
    }
    return false;
}

std::shared_ptr<Device> Device::open(std::string name, ggml_backend_dev_t device, size_t most) {
    const char* description = ggml_backend_dev_description(device);
    check_headroom();
    throw_what_ggml_aborts_at();
    ggml_backend_t backend = nullptr;
    try {
        backend = ggml_backend_dev_init(device, nullptr);
    } catch (const std::exception& error) {
        fail("DEVICE_UNAVAILABLE", description, " could not be started: ", error.what());
    }
    if (backend == nullptr) fail("DEVICE_UNAVAILABLE", description, " could not be started");
    std::shared_ptr<Device> opened(new Device(std::move(name), backend, most));
    try {
        probe(opened->backend());
    } catch (const Error& error) {
        fail("DEVICE_UNAVAILABLE", description, " failed its probe: ", error.what());
    }
    return opened;
}

size_t Device::free_memory() const {
    size_t free = 0, total = 0;
    ggml_backend_dev_memory(handle(), &free, &total);
    return std::min(most_, total > 0 ? free : SIZE_MAX);
}

bool Device::multiplies(ggml_type type) const {
    const int64_t in = ggml_blck_size(type) * 4;
    const TensorContext context(4);
    ggml_tensor* w = ggml_new_tensor_2d(context.get(), type, in, 64);
    return supports(ggml_mul_mat(context.get(), w, ggml_new_tensor_2d(context.get(), GGML_TYPE_F32, in, 64)));
}

void Device::compute(ggml_cgraph* graph) const {
    if (is_lost(handle())) {
        fail("COMPUTE_FAILED", "the device ", name_, " does not compute any more, since an error of its driver: load ",
             "the model with device 'cpu', or start the process again");
    }
    run_graph(backend(), graph);
}

}  // namespace nd::backend
