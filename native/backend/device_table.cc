// The devices that this build has: one row a backend of ggml.
#include <cstdint>

#include "native/backend/device.h"
#include "native/error.h"

#ifdef ND_CUDA
#include <ggml-cuda.h>
#endif
#ifdef ND_METAL
#include <ggml-metal.h>
#endif
#ifdef ND_VULKAN
#include <ggml-vulkan.h>
#endif

namespace nd::backend {

namespace {

struct Row {
    const char* name;
    ggml_backend_reg_t (*registry)();  // null where it was not built
};

// In the order in which "auto" tries them: a maker's own interface first.
constexpr Row kRows[] = {
#ifdef ND_CUDA
    {"cuda", ggml_backend_cuda_reg},
#else
    {"cuda", nullptr},
#endif
#ifdef ND_METAL
    {"metal", ggml_backend_metal_reg},
#else
    {"metal", nullptr},
#endif
#ifdef ND_VULKAN
    {"vulkan", ggml_backend_vk_reg},
#else
    {"vulkan", nullptr},
#endif
};

// The first of its devices. Throws DEVICE_UNAVAILABLE.
ggml_backend_dev_t find(const Row& row) {
    if (row.registry == nullptr) {
        fail("DEVICE_UNAVAILABLE", "device: this build of the addon has no ", row.name,
             " (scripts/build-native.cjs --", row.name, " makes one that has)");
    }
    const ggml_backend_reg_t registry = row.registry();
    if (registry == nullptr || ggml_backend_reg_dev_count(registry) == 0)
        fail("DEVICE_UNAVAILABLE", "device: no ", row.name, " device or driver was found");
    return ggml_backend_reg_dev_get(registry, 0);
}

// Drivers that compute on the CPU, by what they call themselves: ggml does not pass on Vulkan's device type.
bool is_software(ggml_backend_dev_t device) {
    const std::string description = ggml_backend_dev_description(device);
    for (const char* name : {"llvmpipe", "lavapipe", "SwiftShader"}) {
        if (description.find(name) != std::string::npos) return true;
    }
    return ggml_backend_dev_type(device) == GGML_BACKEND_DEVICE_TYPE_CPU;
}

DeviceInfo look(const Row& row, bool probes) {
    DeviceInfo info;
    info.name = row.name;
    try {
        ggml_backend_dev_t device = find(row);
        info.description = ggml_backend_dev_description(device);
        info.is_software = is_software(device);
        ggml_backend_dev_memory(device, &info.free_memory, &info.memory);
        if (probes) Device::open(row.name, device);
    } catch (const Error& error) {
        info.reason = error.what();
    }
    return info;
}

}  // namespace

std::vector<DeviceInfo> list_devices() {
    std::vector<DeviceInfo> devices;
    for (const Row& row : kRows) devices.push_back(look(row, true));
    devices.push_back({.name = "cpu", .description = "", .reason = ""});
    return devices;
}

std::shared_ptr<Device> open_device(const std::string& name) {
    if (name == "cpu") return nullptr;
    for (const Row& row : kRows) {
        if (name == row.name) return Device::open(name, find(row));
    }
    if (name != "auto") {
        std::string names;
        for (const DeviceInfo& device : list_devices()) names += device.reason.empty() ? ", " + device.name : "";
        fail("INVALID_ARGUMENT", "device: expected auto, cpu, cuda, metal or vulkan, got '", name,
             "'; those that work here: auto", names);
    }
    for (const Row& row : kRows) {
        const DeviceInfo device = look(row, false);
        if (!device.reason.empty() || device.is_software) continue;
        try {
            return Device::open(row.name, find(row));
        } catch (const Error&) {
            // Passed over, as list_devices() tells.
        }
    }
    return nullptr;
}

}  // namespace nd::backend
