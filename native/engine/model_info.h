// What a model is, told from its configuration and its tensors' shapes without loading them.
#pragma once

#include <optional>
#include <string>

#include "native/models/config.h"

namespace nd::engine {

struct ModelInfo {
    std::string family;  // "sd1", "sd2", "ddpm" or "custom"
    std::string format, defaults, merges;
    std::string precision;  // of a loaded model
    std::optional<models::ClipTextConfig> text;
    std::optional<models::UNetConfig> unet;
    std::optional<models::VaeConfig> vae;
    models::PredictionConfig prediction;
    bool pad_with_end = true;
    int64_t parameters = 0;
    size_t weight_bytes = 0;
};

ModelInfo describe(const weights::ModelFile& file);

}  // namespace nd::engine
