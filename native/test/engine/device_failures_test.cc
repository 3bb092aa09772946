// A device whose driver fails: an error of the call, and the memory of a device that is lost is left alone. It is
// ggml's own CPU backend with some of its functions exchanged.
#include "native/backend/device_failures.h"

#include <ggml-backend-impl.h>
#include <ggml-cpu.h>
#include <ggml-impl.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#include <climits>
#include <functional>
#include <string>

#include "native/backend/device.h"
#include "native/engine/engine.h"
#include "native/test/engine/support.h"
#include "native/test/kernels/support.h"

using namespace nd::engine;
using namespace nd::test;

namespace {

struct Driver {
    bool multiplies = true;
    int faults = 0;  // of the next runs of graphs
    const char* message = "";
    int runs = 0, buffers = 0;  // buffers that were got and not given back
    std::function<void()> on_run;
} driver;

decltype(ggml_backend_i::graph_compute) run = nullptr;
decltype(ggml_backend_buffer_i::free_buffer) free_buffer = nullptr;

ggml_backend_device* faulty_device() {
    static ggml_backend_device device = *ggml_backend_reg_dev_get(ggml_backend_cpu_reg(), 0);
    static ggml_backend_buffer_type buffers = *ggml_backend_cpu_buffer_type();
    buffers.device = &device;
    buffers.iface.alloc_buffer = [](ggml_backend_buffer_type_t, size_t size) {
        ggml_backend_buffer_t buffer = ggml_backend_buft_alloc_buffer(ggml_backend_cpu_buffer_type(), size);
        free_buffer = buffer->iface.free_buffer;
        buffer->buft = &buffers;
        buffer->iface.free_buffer = [](ggml_backend_buffer_t freed) {
            if (driver.faults > 0) GGML_ABORT("freed on a lost device");
            driver.buffers--;
            free_buffer(freed);
        };
        driver.buffers++;
        return buffer;
    };
    device.iface.supports_op = [](ggml_backend_dev_t, const ggml_tensor* node) {
        return driver.multiplies || node->op != GGML_OP_MUL_MAT;
    };
    device.iface.get_buffer_type = [](ggml_backend_dev_t) { return &buffers; };
    device.iface.init_backend = [](ggml_backend_dev_t, const char*) {
        ggml_backend_t backend = ggml_backend_cpu_init();
        ggml_backend_cpu_set_n_threads(backend, 1);
        run = backend->iface.graph_compute;
        backend->device = &device;
        backend->iface.graph_compute = [](ggml_backend_t self, ggml_cgraph* graph) {
            driver.runs++;
            if (driver.on_run) driver.on_run();
            if (driver.faults == 0) return run(self, graph);
            driver.faults--;
            GGML_LOG_ERROR("driver error: %s\n", driver.message);
            GGML_ABORT("driver error");
        };
        return backend;
    };
    return &device;
}

const std::string kModel = std::string(ND_FIXTURES) + "/sd1.safetensors";
const std::vector<int32_t> kIds(77, 1);

std::unique_ptr<Engine> load() {
    LoadOptions options;
    options.precision = "f32";
    options.device = nd::backend::Device::open("faulty", faulty_device());
    return std::make_unique<Engine>(kModel, options, CancelToken(), nullptr);
}

std::vector<float> encode(Engine& engine, const CancelToken& token = {}) {
    return engine.encode_text(kIds, 1, 0, 1, token).embeddings;
}

}  // namespace

// ggml's Metal on an old Mac's or a virtual machine's GPU.
TEST("device failures: a device that has no product is not asked for one") {
    driver = {};
    driver.multiplies = false;
    CHECK(code_of([] { load(); }) == "DEVICE_UNAVAILABLE");
    CHECK(driver.runs == 0 && driver.buffers == 0, driver.runs, " ", driver.buffers);
}

TEST("device failures: an abort is heard inside a run") {
    driver = {};
    auto engine = load();
    encode(*engine);
    const int before = driver.runs;
    CancelToken token;
    driver.on_run = [&] { token.cancel(); };
    CHECK(code_of([&] { encode(*engine, token); }) == "ABORTED");
    CHECK(driver.runs == before + 1, driver.runs - before);
}

TEST("device failures: what ggml aborts at is an error, after which the device goes on") {
    driver = {};
    auto engine = load();
    const auto wanted = encode(*engine);
    for (const auto& [message, code] : {std::pair{"an error", "COMPUTE_FAILED"}, {"out of memory", "OUT_OF_MEMORY"}}) {
        driver.faults = 1;
        driver.message = message;
        std::string what;
        try {
            encode(*engine);
        } catch (const nd::Error& error) {
            what = std::string(error.code()) + " " + error.what();
        }
        CHECK(what.starts_with(std::string(code) + " driver error: " + message + " (device_failures_test.cc:"), what);
        CHECK(encode(*engine) == wanted);
    }
    engine.reset();
    CHECK(driver.buffers == 0, driver.buffers);
}

TEST("device failures: a lost device keeps its memory, and says that it does not compute any more") {
#ifdef __SANITIZE_ADDRESS__
    const __lsan::ScopedDisabler leaks;  // what is left alone
#endif
    driver = {};
    auto engine = load();
    encode(*engine);
    const int held = driver.buffers;
    driver.faults = INT_MAX;
    CHECK(code_of([&] { encode(*engine); }) == "COMPUTE_FAILED");
    const int runs = driver.runs;
    CHECK(code_of([&] { encode(*engine); }) == "COMPUTE_FAILED");
    CHECK(driver.runs <= runs + 1, driver.runs - runs);  // of the probe
    engine.reset();
    CHECK(held > 2 && driver.buffers >= held, driver.buffers, " of ", held);
    CHECK(code_of([] { load(); }) == "DEVICE_UNAVAILABLE");
}
