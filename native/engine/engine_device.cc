// What differs by the device that an engine runs on.
#include <string_view>

#include "native/engine/engine.h"
#include "native/error.h"

namespace nd::engine {

Machine Engine::machine(ops::Formats formats) const {
    if (!device_) return Machine(threads_, formats);
    // Drivers on the CPU compile attention without its scores for half an hour, and are no faster with it.
    return Machine(device_, store_->is_f32("") || backend::is_software(device_->handle()));
}

std::unique_ptr<Program> Engine::create_program(ops::Formats formats) const {
    return std::make_unique<Program>(machine(formats));
}

weights::LoadOptions Engine::weight_options(const std::string& precision, const CancelToken& token) const {
    weights::LoadOptions options;
    options.precision = precision, options.threads = thread_count_, options.cancelled = token.flag();
    if (device_) {
        options.pack = false;
        options.multiplies = [device = device_](ggml_type type) { return device->multiplies(type); };
    }
    return options;
}

bool Engine::computes_in_f32(const std::string& component) const {
    return device_ ? store_->is_f32(component) : !store_->packs(component);
}

ggml_backend_buffer_type_t Engine::weight_buffers() const {
    return device_ ? device_->buffer_type() : ggml_backend_cpu_buffer_type();
}

void Engine::check_room() const {
    if (!device_) return;
    const size_t wanted = store_->bytes(), free = device_->free_memory();
    if (wanted > free) {
        fail("OUT_OF_MEMORY", "the weights take ", wanted, " bytes, and the device ", device_->name(), " has ", free,
             " bytes free");
    }
}

std::shared_ptr<Engine> open_engine(const std::string& path, LoadOptions options, const CancelToken& token,
                                    const std::function<void(double)>& on_progress) {
    std::string reason;
    try {
        return std::make_shared<Engine>(path, options, token, on_progress);
    } catch (const Error& error) {
        if (!options.device || std::string_view(error.code()) != "OUT_OF_MEMORY") throw;
        reason = error.what();
    }
    options.device = nullptr;
    auto engine = std::make_shared<Engine>(path, options, token, on_progress);
    engine->explain_device(reason);
    return engine;
}

}  // namespace nd::engine
