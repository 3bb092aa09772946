#include "native/backend/device_failures.h"

#include <ggml.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <exception>
#include <mutex>
#include <string>

#include "native/backend/device_probe.h"
#include "native/error.h"

namespace nd::backend {

namespace {

std::atomic<uint64_t> failures{0};  // of all devices

// Plain bytes: a thread may outlive the addon's other data.
thread_local std::array<char, 512> last_log{};

void keep_errors(ggml_log_level level, const char* text, void*) {
    if (level != GGML_LOG_LEVEL_ERROR && level != GGML_LOG_LEVEL_CONT) return;
    const size_t used = std::strlen(last_log.data());
    std::strncat(last_log.data(), text, last_log.size() - 1 - used);
}

[[noreturn]] void fail_on_device(const std::string& what) {
    failures++;
    for (const char* sign : {"out of memory", "OutOfDeviceMemory", "OutOfHostMemory"}) {
        if (what.find(sign) != std::string::npos) fail("OUT_OF_MEMORY", what);
    }
    fail("COMPUTE_FAILED", what);
}

// `message` begins with the path of a source file, as the compiler knew it.
void throw_abort(const char* message) {
    std::string what = message;
    const size_t name = what.find_last_of("/\\", what.find(": "));
    if (name != std::string::npos) what.erase(0, name + 1);
    if (last_log.front() != '\0') what = std::string(last_log.data()) + "(" + what + ")";
    last_log.front() = '\0';
    for (char& c : what) c = c == '\n' ? ' ' : c;
    fail_on_device(what);
}

// What fails on the way is not given back: see FreeBackend.
bool computes(ggml_backend_dev_t device) noexcept {
    try {
        ggml_backend_t backend = ggml_backend_dev_init(device, nullptr);
        if (backend == nullptr) return false;
        probe(backend);
        ggml_backend_free(backend);
        return true;
    } catch (const std::exception&) {
        return false;
    }
}

}  // namespace

void throw_what_ggml_aborts_at() {
    ggml_log_set(keep_errors, nullptr);
    ggml_set_abort_callback(throw_abort);
}

void run_graph(ggml_backend_t backend, ggml_cgraph* graph) {
    last_log.front() = '\0';
    ggml_status status = GGML_STATUS_FAILED;
    try {
        status = ggml_backend_graph_compute(backend, graph);
    } catch (const Error&) {
        throw;
    } catch (const std::exception& error) {  // Vulkan's
        fail_on_device(std::string(ggml_backend_name(backend)) + ": " + error.what());
    }
    if (status != GGML_STATUS_SUCCESS)
        fail_on_device(std::string(ggml_backend_name(backend)) + ": " + ggml_status_to_string(status));
}

bool is_lost(ggml_backend_dev_t device) noexcept {
    struct Row {
        ggml_backend_dev_t device = nullptr;
        uint64_t probed_after = 0;  // failures
        bool is_lost = false;
    };
    static std::array<Row, 16> rows;  // more than there are backends
    static std::mutex mutex;
    if (failures == 0 || device == nullptr) return false;
    const std::lock_guard lock(mutex);
    for (Row& row : rows) {
        if (row.device != nullptr && row.device != device) continue;
        if (row.probed_after != failures && !row.is_lost) {
            row.device = device;
            row.is_lost = !computes(device);
            row.probed_after = failures;
        }
        return row.is_lost;
    }
    return false;
}

void FreeBuffer::operator()(ggml_backend_buffer_t buffer) const noexcept {
    if (!is_lost(ggml_backend_buft_get_device(ggml_backend_buffer_get_type(buffer)))) ggml_backend_buffer_free(buffer);
}

void FreeAllocator::operator()(ggml_gallocr_t allocator) const noexcept {
    if (!is_lost(device)) ggml_gallocr_free(allocator);
}

void FreeBackend::operator()(ggml_backend_t backend) const noexcept {
    if (!is_lost(ggml_backend_get_device(backend))) ggml_backend_free(backend);
}

}  // namespace nd::backend
