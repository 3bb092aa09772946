// What a model is, told from its configuration and its tensors' shapes without loading them.
#pragma once

#include <optional>
#include <string>

#include "native/models/config.h"

namespace nd::engine {

struct ModelInfo {
    std::string family;  // an id of weights/families.h, "ddpm", or "custom"
    std::string title;   // the same in words
    std::string format, defaults, merges;
    std::string precision;  // of a loaded model
    std::optional<models::ClipTextConfig> text, text2;
    std::optional<models::UNetConfig> unet;
    std::optional<models::VaeConfig> vae;
    models::PredictionConfig prediction;
    bool pad_with_end = true;
    // Whether an empty negative prompt means zeros in place of its embeddings.
    bool zero_empty_negative = false;
    int64_t picture_size = 0;  // side in pixels that the model was trained on; 0: not known
    std::string scheduler;     // diffusers' class that the file's configuration names; empty where it names none
    int64_t parameters = 0;
    size_t weight_bytes = 0;
};

ModelInfo describe(const weights::ModelFile& file);

}  // namespace nd::engine
