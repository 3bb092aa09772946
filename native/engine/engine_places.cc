// Where the networks of an engine live: on the device while it has memory for them, else on the CPU.
#include <string_view>

#include "native/engine/engine.h"
#include "native/error.h"

namespace nd::engine {

namespace {

const char* name_of(Part part) {
    switch (part) {
        case Part::unet:
            return "UNet";
        case Part::vae:
            return "VAE";
        case Part::upscaler:
            return "upscaler";
        case Part::text:
            return "text encoders";
    }
    return "";
}

// What computes longest comes first.
constexpr std::array kParts{Part::unet, Part::vae, Part::upscaler, Part::text};

}  // namespace

void Engine::declare(Part part, const weights::ModelFile& file, weights::WeightStore& store) {
    using Side = models::Taesd::Side;
    switch (part) {
        case Part::unet:
            if (info_.unet) unet_.emplace(*info_.unet, store);
            if (info_.control) control_.emplace(*info_.control, *info_.unet, store);
            break;
        case Part::vae:
            if (info_.vae) vae_.decoder.emplace(*info_.vae, store);
            if (info_.vae && !info_.vae->encoder_channels.empty()) vae_.encoder.emplace(*info_.vae, store);
            if (info_.taesd && info_.taesd->decodes) vae_.tiny_decoder.emplace(Side::decoder, file, store);
            if (info_.taesd && info_.taesd->encodes) vae_.tiny_encoder.emplace(Side::encoder, file, store);
            break;
        case Part::upscaler:
            if (info_.upscaler) upscaler_.emplace(*info_.upscaler, store);
            break;
        case Part::text:
            if (info_.text) text_.emplace("text_encoder", *info_.text, store);
            if (info_.text2) text2_.emplace("text_encoder_2", *info_.text2, store);
            break;
    }
}

void Engine::choose_places(const weights::ModelFile& file, const LoadOptions& options, const CancelToken& token,
                           const std::function<void(double)>& on_progress) {
    const auto open = [&](const std::shared_ptr<backend::Device>& device) {
        Place& place = places_.emplace_back(device, options.threads, options.memory_budget.value_or(SIZE_MAX));
        auto loading = place.weight_options(options.precision, token);
        loading.on_progress = on_progress;
        place.open_store(file, loading);
        return &place;
    };
    const auto put = [&](Part part, Place& place) {
        place_of_[static_cast<size_t>(part)] = &place;
        declare(part, file, place.store());
    };
    Place* const chosen = open(options.device);
    Place* cpu = nullptr;
    if (!options.device) {
        for (const Part part : kParts) put(part, *chosen);
        return;
    }
    const size_t free = options.device->free_memory();
    size_t left = free;
    std::string too_large;
    for (const Part part : kParts) {
        weights::WeightStore alone(file, chosen->weight_options(options.precision, token));
        declare(part, file, alone);
        const size_t bytes = alone.bytes();
        if (bytes <= left) {
            put(part, *chosen);
            left -= bytes;
            continue;
        }
        if (!cpu) cpu = open(nullptr);
        put(part, *cpu);
        too_large += (too_large.empty() ? "" : ", ") + std::string(name_of(part)) + " " + std::to_string(bytes);
    }
    if (cpu) {
        info_.device_reason = "the device " + chosen->name() + " has " + std::to_string(free) +
                              " bytes free, too few for all weights (" + too_large + ")";
    }
}

void Engine::load_weights(double& begun, double& share) {
    const size_t total = weight_bytes();
    for (Place& place : places_) {
        share = total == 0 ? 1 : static_cast<double>(place.store().bytes()) / static_cast<double>(total);
        place.store().load(place.buffers());
        begun += share;
    }
}

size_t Engine::weight_bytes() const {
    size_t bytes = 0;
    for (const Place& place : places_) bytes += place.store().bytes();
    return bytes;
}

Place& Engine::place(Part part) const {
    return *place_of_[static_cast<size_t>(part)];
}

Place& Engine::main_place() const {
    return place(unet_ ? Part::unet : upscaler_ ? Part::upscaler : info_.latent_space() ? Part::vae : Part::text);
}

std::unique_ptr<Program> Engine::create_program(Part part, ops::Formats formats) const {
    return std::make_unique<Program>(place(part).machine(formats));
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
