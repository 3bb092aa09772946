// A device that runs graphs of ggml's own operations: a GPU, or ggml's CPU backend in the tests.
#pragma once

#include <ggml-backend.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "native/backend/device_failures.h"

namespace nd::backend {

// Of drivers that compute on the CPU, by what they call themselves: ggml does not pass on Vulkan's device type.
bool is_software(ggml_backend_dev_t device);

class Device {
  public:
    // Starts the device and probes it. Throws DEVICE_UNAVAILABLE with the reason. `name` is the word that the user
    // chose it by, `most` the bytes of its memory that may be taken.
    static std::shared_ptr<Device> open(std::string name, ggml_backend_dev_t device, size_t most = SIZE_MAX);

    const std::string& name() const { return name_; }
    ggml_backend_t backend() const { return backend_.get(); }
    ggml_backend_dev_t handle() const { return ggml_backend_get_device(backend()); }
    ggml_backend_buffer_type_t buffer_type() const { return ggml_backend_get_default_buffer_type(backend_.get()); }
    bool supports(const ggml_tensor* node) const { return ggml_backend_supports_op(backend_.get(), node); }
    // Bytes; SIZE_MAX where it does not tell.
    size_t free_memory() const;
    // Whether it multiplies weights of that type by f32.
    bool multiplies(ggml_type type) const;
    // Runs a graph whose tensors all have their places. Throws COMPUTE_FAILED, OUT_OF_MEMORY.
    void compute(ggml_cgraph* graph) const;

  private:
    Device(std::string name, ggml_backend_t backend, size_t most)
        : name_(std::move(name)), backend_(backend), most_(most) {}

    std::string name_;
    Backend backend_;
    size_t most_;
};

// A word that the option `device` takes beside "cpu", and what stands behind it here.
struct DeviceInfo {
    std::string name;                    // "cuda", "metal", "vulkan"
    std::string description;             // the hardware's name; empty where there is none
    std::string reason;                  // why it cannot be used; empty where it can
    bool is_software = false;            // computes on the CPU after all, so that "auto" passes it over
    size_t memory = 0, free_memory = 0;  // bytes; 0 where they are not known
};

// All of them, in the order in which "auto" tries them. Each that was built is probed.
std::vector<DeviceInfo> list_devices();

// "auto", or a name of the list; null for the CPU, which runs our own kernels. Throws INVALID_ARGUMENT where there is
// no such word, DEVICE_UNAVAILABLE where a device that was named cannot be used.
std::shared_ptr<Device> open_device(const std::string& name);

}  // namespace nd::backend
