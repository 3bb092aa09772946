#include "native/models/config.h"

#include <cmath>

#include "native/error.h"

namespace nd::models {

namespace {

using nlohmann::json;
using weights::ModelFile;

const json& section(const ModelFile& file, const char* name) {
    static const json empty = json::object();
    const auto found = file.config().find(name);
    return found != file.config().end() && found->is_object() ? *found : empty;
}

// config[key] as a T, or `otherwise` where it is absent or null.
template <typename T>
T value(const ModelFile& file, const json& config, const char* key, T otherwise) {
    const auto found = config.find(key);
    if (found == config.end() || found->is_null()) return otherwise;
    try {
        return found->get<T>();
    } catch (const json::exception&) {
        fail("FILE_INVALID", file.path(), ": the configuration's ", key, " has an unexpected value: ", found->dump());
    }
}

int64_t positive(const ModelFile& file, const json& config, const char* key, int64_t otherwise) {
    const int64_t number = value<int64_t>(file, config, key, otherwise);
    if (number <= 0)
        fail("FILE_INVALID", file.path(), ": the configuration's ", key, " must be positive, but is ", number);
    return number;
}

// A number for every level, from one number or a list of them.
std::vector<int64_t> per_level(const ModelFile& file, const json& config, const char* key, size_t levels) {
    const auto found = config.find(key);
    if (found == config.end() || found->is_null()) return {};
    if (!found->is_array()) return std::vector<int64_t>(levels, positive(file, config, key, 1));
    const auto list = value<std::vector<int64_t>>(file, config, key, {});
    if (list.size() != levels) {
        fail("FILE_INVALID", file.path(), ": the configuration's ", key, " has ", list.size(), " values for ", levels,
             " levels");
    }
    return list;
}

// The dimension of a tensor's shape; its absence or another rank are errors that name it.
int64_t dimension(const ModelFile& file, const std::string& name, size_t rank, size_t axis) {
    const auto& shape = file.at(name).shape;
    if (shape.size() != rank) {
        fail("TENSOR_SHAPE", name, ": expected ", rank, " dimensions, but the file has ", shape.size());
    }
    return shape[axis];
}

// How many consecutive indices i exist, from 0, with a tensor named prefix + i + suffix.
int64_t count(const ModelFile& file, const std::string& prefix, const std::string& suffix) {
    int64_t i = 0;
    while (file.find(prefix + std::to_string(i) + suffix)) i++;
    return i;
}

void check_divides(const ModelFile& file, const char* what, int64_t part, int64_t whole) {
    if (part <= 0 || whole % part != 0) {
        fail("UNKNOWN_ARCHITECTURE", file.path(), ": ", whole, " channels cannot be split into ", part, " ", what);
    }
}

const std::string kUNet = "unet.", kVae = "vae.", kText = "text_encoder.text_model.";

int64_t transformer_blocks(const ModelFile& file, const std::string& block) {
    return count(file, block + "attentions.0.transformer_blocks.", ".norm1.weight");
}

// Heads by level. diffusers' `attention_head_dim` means a number of heads in these models; files without a
// configuration are SD 1 (context 768: 8 heads) or SD 2 (context 1024: heads of 64).
std::vector<int64_t> unet_heads(const ModelFile& file, const json& config, const UNetConfig& unet) {
    auto heads = per_level(file, config, "num_attention_heads", unet.levels.size());
    if (heads.empty()) heads = per_level(file, config, "attention_head_dim", unet.levels.size());
    if (heads.empty()) {
        for (const auto& level : unet.levels) {
            heads.push_back(unet.context_width == 1024 ? std::max<int64_t>(1, level.channels / 64) : 8);
        }
    }
    return heads;
}

}  // namespace

ClipTextConfig detect_clip_text(const ModelFile& file) {
    const json& config = section(file, "text_encoder");
    ClipTextConfig text;
    text.vocabulary = dimension(file, kText + "embeddings.token_embedding.weight", 2, 0);
    text.width = dimension(file, kText + "embeddings.token_embedding.weight", 2, 1);
    text.context_length = dimension(file, kText + "embeddings.position_embedding.weight", 2, 0);
    text.layers = count(file, kText + "encoder.layers.", ".layer_norm1.weight");
    if (text.layers == 0) fail("MISSING_TENSOR", kText, "encoder.layers.0.layer_norm1.weight is not in ", file.path());
    text.intermediate = dimension(file, kText + "encoder.layers.0.mlp.fc1.weight", 2, 0);
    text.heads = positive(file, config, "num_attention_heads", std::max<int64_t>(1, text.width / 64));
    check_divides(file, "attention heads", text.heads, text.width);
    text.eps = value<float>(file, config, "layer_norm_eps", 1e-5f);
    const bool open_clip = text.width == 1024;
    const auto act = value<std::string>(file, config, "hidden_act", open_clip ? "gelu" : "quick_gelu");
    if (act != "gelu" && act != "quick_gelu") {
        fail("UNKNOWN_ARCHITECTURE", file.path(), ": the text encoder's activation ", act,
             " is neither gelu nor quick_gelu");
    }
    text.quick_gelu = act == "quick_gelu";
    // A configuration counts the layers that are used; a bare OpenCLIP-H file carries one more than Stable Diffusion 2
    // uses.
    const int64_t used = positive(file, config, "num_hidden_layers", open_clip && text.layers == 24 ? 23 : text.layers);
    if (used > text.layers) {
        fail("MISSING_TENSOR", file.path(), ": the text encoder should have ", used, " layers, but has ", text.layers);
    }
    text.skipped_layers = text.layers - used;
    return text;
}

UNetConfig detect_unet(const ModelFile& file) {
    const json& config = section(file, "unet");
    UNetConfig unet;
    unet.in_channels = dimension(file, kUNet + "conv_in.weight", 4, 1);
    unet.out_channels = dimension(file, kUNet + "conv_out.weight", 4, 0);
    unet.time_width = dimension(file, kUNet + "time_embedding.linear_1.weight", 2, 0);
    unet.groups = positive(file, config, "norm_num_groups", 32);
    unet.eps = value<float>(file, config, "norm_eps", 1e-5f);
    unet.flip_sin_to_cos = value<bool>(file, config, "flip_sin_to_cos", true);
    unet.freq_shift = value<float>(file, config, "freq_shift", 0);
    const int64_t levels = count(file, kUNet + "down_blocks.", ".resnets.0.conv1.weight");
    if (levels == 0) fail("MISSING_TENSOR", kUNet, "down_blocks.0.resnets.0.conv1.weight is not in ", file.path());
    for (int64_t i = 0; i < levels; i++) {
        const auto down = kUNet + "down_blocks." + std::to_string(i) + ".";
        const auto up = kUNet + "up_blocks." + std::to_string(levels - 1 - i) + ".";
        UNetLevel level;
        level.channels = dimension(file, down + "resnets.0.conv1.weight", 4, 0);
        level.down_layers = count(file, down + "resnets.", ".conv1.weight");
        level.up_layers = count(file, up + "resnets.", ".conv1.weight");
        level.down_transformer_blocks = transformer_blocks(file, down);
        level.up_transformer_blocks = transformer_blocks(file, up);
        check_divides(file, "groups", unet.groups, level.channels);
        unet.levels.push_back(level);
    }
    unet.mid_transformer_blocks = transformer_blocks(file, kUNet + "mid_block.");
    for (const auto& [name, tensor] : file.tensors()) {
        if (name.starts_with(kUNet) && name.ends_with(".attn2.to_k.weight") && tensor.shape.size() == 2) {
            unet.context_width = tensor.shape[1];
            break;
        }
    }
    const auto heads = unet_heads(file, config, unet);
    for (size_t i = 0; i < unet.levels.size(); i++) {
        unet.levels[i].heads = heads[i];
        if (unet.levels[i].down_transformer_blocks || unet.levels[i].up_transformer_blocks) {
            check_divides(file, "attention heads", heads[i], unet.levels[i].channels);
        }
    }
    unet.mid_heads = heads.back();
    check_divides(file, "attention heads", unet.mid_heads, unet.levels.back().channels);
    return unet;
}

VaeConfig detect_vae(const ModelFile& file) {
    const json& config = section(file, "vae");
    VaeConfig vae;
    vae.latent_channels = dimension(file, kVae + "decoder.conv_in.weight", 4, 1);
    vae.image_channels = dimension(file, kVae + "decoder.conv_out.weight", 4, 0);
    vae.groups = positive(file, config, "norm_num_groups", 32);
    vae.scaling_factor = value<float>(file, config, "scaling_factor", 0.18215f);
    vae.shift_factor = value<float>(file, config, "shift_factor", 0.0f);
    if (!std::isfinite(vae.scaling_factor) || vae.scaling_factor == 0) {
        fail("FILE_INVALID", file.path(), ": the configuration's scaling_factor is ", vae.scaling_factor);
    }
    const int64_t levels = count(file, kVae + "decoder.up_blocks.", ".resnets.0.conv1.weight");
    if (levels == 0) fail("MISSING_TENSOR", kVae, "decoder.up_blocks.0.resnets.0.conv1.weight is not in ", file.path());
    for (int64_t i = 0; i < levels; i++) {
        const auto up = kVae + "decoder.up_blocks." + std::to_string(levels - 1 - i) + ".";
        vae.decoder_channels.push_back(dimension(file, up + "resnets.0.conv1.weight", 4, 0));
        const auto down = kVae + "encoder.down_blocks." + std::to_string(i) + ".resnets.0.conv1.weight";
        if (file.has_component(kVae + "encoder.")) vae.encoder_channels.push_back(dimension(file, down, 4, 0));
        check_divides(file, "groups", vae.groups, vae.decoder_channels.back());
    }
    vae.decoder_layers = count(file, kVae + "decoder.up_blocks.0.resnets.", ".conv1.weight");
    vae.encoder_layers = count(file, kVae + "encoder.down_blocks.0.resnets.", ".conv1.weight");
    vae.mid_attention = file.find(kVae + "decoder.mid_block.attentions.0.to_q.weight") != nullptr;
    return vae;
}

PredictionConfig detect_prediction(const ModelFile& file) {
    const json& config = section(file, "scheduler");
    PredictionConfig prediction;
    // Without a configuration: SD 2's width means v-prediction (768-v and its descendants), else epsilon.
    bool sd2 = false;
    if (config.empty() && file.find(kUNet + "conv_in.weight")) sd2 = detect_unet(file).context_width == 1024;
    prediction.type = value<std::string>(file, config, "prediction_type", sd2 ? "v_prediction" : "epsilon");
    if (prediction.type != "epsilon" && prediction.type != "v_prediction") {
        fail("UNKNOWN_ARCHITECTURE", file.path(), ": prediction_type ", prediction.type,
             " is neither epsilon nor v_prediction");
    }
    prediction.beta_schedule = value<std::string>(file, config, "beta_schedule", "scaled_linear");
    prediction.beta_start = value<double>(file, config, "beta_start", 0.00085);
    prediction.beta_end = value<double>(file, config, "beta_end", 0.012);
    prediction.train_steps = positive(file, config, "num_train_timesteps", 1000);
    return prediction;
}

}  // namespace nd::models
