// The devices that this build has: one row a backend of ggml.
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <mutex>

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

// ggml starts drivers at the first question, without a thought of other threads.
std::mutex drivers;

#ifdef ND_METAL
ggml_backend_reg_t metal_registry() {
    // Else ggml aborts as the process exits with a model that nobody disposed of.
    setenv("GGML_METAL_NO_RESIDENCY", "1", 0);
    return ggml_backend_metal_reg();
}
#endif

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
    {"metal", metal_registry},
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
        fail("DEVICE_UNAVAILABLE", "this build of the addon has no ", row.name, " (scripts/build-native.cjs --",
             row.name, " makes one that has)");
    }
    const ggml_backend_reg_t registry = row.registry();
    if (registry == nullptr || ggml_backend_reg_dev_count(registry) == 0)
        fail("DEVICE_UNAVAILABLE", "no ", row.name, " device or driver was found");
    return ggml_backend_reg_dev_get(registry, 0);
}

DeviceInfo look(const Row& row) {
    DeviceInfo info;
    info.name = row.name;
    try {
        ggml_backend_dev_t device = find(row);
        info.description = ggml_backend_dev_description(device);
        info.is_software = is_software(device);
        ggml_backend_dev_memory(device, &info.free_memory, &info.memory);
        Device::open(row.name, device);
    } catch (const std::exception& error) {  // Vulkan has its own
        info.reason = error.what();
    }
    return info;
}

// The first that computes faster than the CPU, or null.
std::shared_ptr<Device> open_any() {
    for (const Row& row : kRows) {
        if (row.registry == nullptr) continue;
        try {
            ggml_backend_dev_t device = find(row);
            if (!is_software(device)) return Device::open(row.name, device);
        } catch (const std::exception&) {
            // Passed over, as list_devices() tells.
        }
    }
    return nullptr;
}

std::vector<DeviceInfo> look_at_all() {
    std::vector<DeviceInfo> devices;
    for (const Row& row : kRows) devices.push_back(look(row));
    return devices;
}

std::shared_ptr<Device> open_named(const Row& row) {
    try {
        return Device::open(row.name, find(row));
    } catch (const std::exception& error) {
        std::string usable = "auto, cpu";
        for (const DeviceInfo& device : look_at_all()) usable += device.reason.empty() ? ", " + device.name : "";
        fail("DEVICE_UNAVAILABLE", "device: expected one that can be used here, of ", usable, ", but got ", row.name,
             ": ", error.what());
    }
}

}  // namespace

std::vector<DeviceInfo> list_devices() {
    const std::lock_guard lock(drivers);
    return look_at_all();
}

std::shared_ptr<Device> open_device(const std::string& name) {
    if (name == "cpu") return nullptr;
    const std::lock_guard lock(drivers);
    if (name == "auto") return open_any();
    for (const Row& row : kRows) {
        if (name == row.name) return open_named(row);
    }
    fail("INVALID_ARGUMENT", "device: expected auto, cpu, cuda, metal or vulkan, but got ", name);
}

}  // namespace nd::backend
