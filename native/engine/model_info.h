// What a model is, told from its configuration and its tensors' shapes without loading them.
#pragma once

#include <optional>
#include <string>

#include "native/models/config.h"
#include "native/models/controlnet.h"
#include "native/models/rrdb.h"
#include "native/models/taesd.h"

namespace nd::engine {

// What the VAE and the UNet agree on, be it a whole VAE or a tiny one.
struct LatentSpace {
    int64_t latent_channels, image_channels, downscale;
    float scaling_factor, shift_factor;
};

struct ModelInfo {
    std::string family;  // an id of weights/families.h, "ddpm", or "custom"
    std::string title;   // the same in words
    std::string format, defaults, merges;
    std::string precision, device;  // of a loaded model
    std::string device_reason;      // why it is not on the device that was asked for; empty where it is
    std::optional<models::ClipTextConfig> text, text2;
    std::optional<models::UNetConfig> unet;  // of a ControlNet, the half that it is a copy of
    std::optional<models::ControlNetConfig> control;
    std::optional<models::RrdbConfig> upscaler;
    std::optional<models::VaeConfig> vae;
    std::optional<models::TaesdConfig> taesd;
    models::PredictionConfig prediction;
    bool pad_with_end = true;
    // Whether an empty negative prompt means zeros in place of its embeddings.
    bool zero_empty_negative = false;
    int64_t picture_size = 0;  // side in pixels that the model was trained on; 0: not known
    std::string scheduler;     // diffusers' class that the file's configuration names; empty where it names none
    int64_t parameters = 0;
    size_t weight_bytes = 0;

    std::optional<LatentSpace> latent_space() const;
};

ModelInfo describe(const weights::ModelFile& file);

}  // namespace nd::engine
