#include "native/engine/model_info.h"

#include "native/error.h"

namespace nd::engine {

namespace {

std::string family(const ModelInfo& info) {
    if (info.unet && info.unet->unconditional()) return "ddpm";
    if (!info.unet || info.unet->levels.front().channels != 320) return "custom";
    if (info.unet->context_width == 768) return "sd1";
    return info.unet->context_width == 1024 ? "sd2" : "custom";
}

}  // namespace

ModelInfo describe(const weights::ModelFile& file) {
    ModelInfo info;
    info.format = file.format();
    info.merges = file.merges();
    const auto defaults = file.config().find("defaults");
    if (defaults != file.config().end() && defaults->is_object() && !defaults->empty())
        info.defaults = defaults->dump();
    if (file.has_component("text_encoder.")) info.text = models::detect_clip_text(file);
    if (file.has_component("unet.")) info.unet = models::detect_unet(file);
    if (file.has_component("vae.")) info.vae = models::detect_vae(file);
    if (!info.text && !info.unet && !info.vae) {
        fail("UNKNOWN_ARCHITECTURE", file.path(), ": no text encoder, UNet or VAE of Stable Diffusion 1 or 2 in it");
    }
    info.prediction = models::detect_prediction(file);
    info.family = family(info);
    // OpenCLIP fills a prompt's window with token 0, OpenAI's CLIP with end-of-text.
    info.pad_with_end = !info.text || info.text->quick_gelu;
    for (const auto& [name, tensor] : file.tensors()) {
        int64_t size = 1;
        for (const int64_t extent : tensor.shape) size *= extent;
        info.parameters += size;
        info.weight_bytes += tensor.size;
    }
    return info;
}

}  // namespace nd::engine
