// Engines on the device that the tests run on: ggml's own CPU backend, or the one that ND_TEST_DEVICE names
// (scripts/check-device.cjs).
#pragma once

#include <ggml-cpu.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "native/backend/device.h"
#include "native/engine/engine.h"

namespace nd::test {

inline const engine::CancelToken kGo;
inline const std::string kNetworks = ND_FIXTURES, kFixtures = kNetworks + "/..";
inline const char* const kNamed = std::getenv("ND_TEST_DEVICE");
// Relative L2 difference; a GPU may multiply f32 as halves.
inline const double kMostInF32 = kNamed ? 5e-3 : 1e-5;

inline std::shared_ptr<backend::Device> device(size_t most = SIZE_MAX) {
    if (kNamed) return backend::open_device(kNamed);
    auto opened = backend::Device::open("ggml", ggml_backend_reg_dev_get(ggml_backend_cpu_reg(), 0), most);
    ggml_backend_cpu_set_n_threads(opened->backend(), 1);  // its threads spin as they wait for each other
    return opened;
}

inline std::unique_ptr<engine::Engine> load(const std::string& path, const std::string& precision, bool on_device) {
    engine::LoadOptions options;
    options.precision = precision, options.threads = 2;
    if (on_device) options.device = device();
    return std::make_unique<engine::Engine>(path, options, kGo, nullptr);
}

}  // namespace nd::test
