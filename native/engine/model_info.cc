#include "native/engine/model_info.h"

#include "native/error.h"
#include "native/weights/families.h"

namespace nd::engine {

namespace {

using nlohmann::json;

void name_family(ModelInfo& info) {
    info.family = "custom", info.title = "another size of Stable Diffusion's architecture";
    if (info.control) {
        info.family = "controlnet", info.title = "a ControlNet";
        return;
    }
    if (info.upscaler) {
        info.family = "upscaler", info.title = "an upscaler (ESRGAN)";
        return;
    }
    if (!info.unet) {
        info.title = "a part of a model";
        return;
    }
    const auto& unet = *info.unet;
    if (unet.unconditional()) {
        info.family = "ddpm", info.title = "an unconditional UNet (DDPM)";
        return;
    }
    const auto* family =
        weights::find_family(unet.levels.front().channels, unet.context_width, unet.addition.size_numbers);
    if (family) info.family = family->id, info.title = family->title;
}

// As the configuration has it, else as the family is used to.
int64_t find_picture_size(const ModelInfo& info, const weights::Family& usual) {
    const auto& unet = *info.unet;
    if (unet.unconditional()) return unet.sample_size;
    constexpr int64_t kLargest = 4096;  // of latents: larger ones are a mistake
    if (unet.sample_size > 0 && unet.sample_size <= kLargest)
        return unet.sample_size * (info.vae ? info.vae->downscale() : 8);
    // 512-base Stable Diffusion 2 and its inpainting predict epsilon, 768-v does not.
    const bool small = info.prediction.type != usual.prediction && std::string_view(usual.id) == "sd2";
    return small ? weights::families().front().picture_size : usual.picture_size;
}

// A pipeline's own configuration tells; what tells nothing is as diffusers and A1111 have it: zeros in XL, but not in
// its refiner.
bool zeroes_empty_negative(const weights::ModelFile& file, const ModelInfo& info) {
    if (!info.unet || !info.unet->has_addition()) return false;
    const json& index = file.config().at("model_index");
    const auto found = index.find("force_zeros_for_empty_prompt");
    if (found != index.end() && found->is_boolean()) return found->get<bool>();
    return info.unet->addition.size_numbers == 6;
}

}  // namespace

std::optional<LatentSpace> ModelInfo::latent_space() const {
    if (vae) {
        return LatentSpace{vae->latent_channels, vae->image_channels, vae->downscale(), vae->scaling_factor,
                           vae->shift_factor};
    }
    if (!taesd) return std::nullopt;
    return LatentSpace{taesd->latent_channels, taesd->image_channels, taesd->downscale, taesd->scaling_factor,
                       taesd->shift_factor};
}

ModelInfo describe(const weights::ModelFile& file) {
    ModelInfo info;
    info.format = file.format();
    info.merges = file.merges();
    const auto defaults = file.config().find("defaults");
    if (defaults != file.config().end() && defaults->is_object() && !defaults->empty())
        info.defaults = defaults->dump();
    if (file.has_component("text_encoder.")) info.text = models::detect_clip_text(file, "text_encoder");
    if (file.has_component("text_encoder_2.")) info.text2 = models::detect_clip_text(file, "text_encoder_2");
    if (file.has_component("unet.")) info.unet = models::detect_unet(file);
    if (info.unet && info.unet->is_control) info.control = models::detect_control_net(file, *info.unet);
    if (file.has_component("upscaler.")) info.upscaler = models::detect_rrdb(file);
    name_family(info);
    const weights::Family& usual =
        info.unet ? weights::usual_family(info.unet->levels.front().channels, info.unet->context_width,
                                          info.unet->addition.size_numbers)
                  : weights::families().front();
    if (file.has_component("vae.")) info.vae = models::detect_vae(file, usual.scaling_factor);
    if (!info.vae && file.has_component("taesd.")) info.taesd = models::detect_taesd(file);
    if (!info.text && !info.text2 && !info.unet && !info.vae && !info.taesd && !info.upscaler) {
        fail("UNKNOWN_ARCHITECTURE", file.path(), ": no text encoder, UNet or VAE in it of ",
             weights::supported_families());
    }
    info.prediction = models::detect_prediction(file);
    if (info.unet) info.picture_size = find_picture_size(info, usual);
    info.zero_empty_negative = zeroes_empty_negative(file, info);
    const json& scheduler = file.config().at("scheduler");
    if (const auto name = scheduler.find("_class_name"); name != scheduler.end() && name->is_string())
        info.scheduler = name->get<std::string>();
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
