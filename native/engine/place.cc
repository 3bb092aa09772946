#include "native/engine/place.h"

namespace nd::engine {

Place::Place(std::shared_ptr<backend::Device> device, int threads, size_t budget)
    : device_(std::move(device)), thread_count_(threads), threads_(device_ ? 1 : threads), programs_(budget, device_) {}

weights::LoadOptions Place::weight_options(const std::string& precision, const backend::CancelToken& token) const {
    weights::LoadOptions options;
    options.precision = precision, options.threads = thread_count_, options.cancelled = token.flag();
    if (device_) {
        options.pack = false;
        options.multiplies = [device = device_](ggml_type type) { return device->multiplies(type); };
    }
    return options;
}

ggml_backend_buffer_type_t Place::buffers() const {
    return device_ ? device_->buffer_type() : ggml_backend_cpu_buffer_type();
}

void Place::open_store(const weights::ModelFile& file, const weights::LoadOptions& options) {
    store_ = std::make_unique<weights::WeightStore>(file, options);
}

bool Place::computes_in_f32(const std::string& prefix) const {
    return device_ ? store_->is_f32(prefix) : !store_->packs(prefix);
}

Machine Place::machine(ops::Formats formats) const {
    if (!device_) return Machine(threads_, formats);
    // Drivers on the CPU compile attention without its scores for half an hour, and are no faster with it.
    return Machine(device_, store_->is_f32("") || backend::is_software(device_->handle()));
}

}  // namespace nd::engine
