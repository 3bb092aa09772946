#include "native/models/config.h"

#include <algorithm>
#include <cmath>

#include "native/error.h"
#include "native/models/file_facts.h"

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

// A convolution's output or input channels, [out, in, k, k], or [out, k * k, in] as converted files have quantised
// ones.
int64_t out_channels(const ModelFile& file, const std::string& name) {
    return dimension(file, name, file.at(name).shape.size() == 3 ? 3 : 4, 0);
}

int64_t in_channels(const ModelFile& file, const std::string& name) {
    const bool relaid = file.at(name).shape.size() == 3;
    return dimension(file, name, relaid ? 3 : 4, relaid ? 2 : 1);
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

// How many blocks prefix + i there are; pictures shrink by two from one to the next.
int64_t count_levels(const ModelFile& file, const std::string& prefix) {
    constexpr int64_t kMost = 16;
    const int64_t levels = count(file, prefix, ".resnets.0.conv1.weight");
    if (levels == 0) fail("MISSING_TENSOR", prefix, "0.resnets.0.conv1.weight is not in ", file.path());
    if (levels > kMost) {
        fail("UNKNOWN_ARCHITECTURE", file.path(), ": expected at most ", kMost, " levels, got ", levels, " of ",
             prefix);
    }
    return levels;
}

const std::string kUNet = "unet.", kVae = "vae.";

// The width of the text that a UNet's cross-attentions read; 0 where there are none.
int64_t context_width(const ModelFile& file) {
    for (const auto& [name, tensor] : file.tensors()) {
        if (name.starts_with(kUNet) && name.ends_with(".attn2.to_k.weight") && tensor.shape.size() == 2)
            return tensor.shape[1];
    }
    return 0;
}

int64_t attention_blocks(const ModelFile& file, const UNetConfig& unet, const std::string& block, int64_t layer) {
    const std::string name = block + "attentions." + std::to_string(layer) + ".";
    if (unet.unconditional()) return file.find(name + "to_q.weight") ? 1 : 0;
    return count(file, name + "transformer_blocks.", ".norm1.weight");
}

// Of every residual block of a level: where the first has attention, all have, in some models of different depths.
std::vector<int64_t> attention_by_layer(const ModelFile& file, const UNetConfig& unet, const std::string& block) {
    std::vector<int64_t> blocks;
    const int64_t layers = count(file, block + "resnets.", ".conv1.weight");
    for (int64_t i = 0; i < layers; i++) {
        const bool expected = i > 0 && blocks.front() > 0;
        blocks.push_back(std::max<int64_t>(expected ? 1 : 0, attention_blocks(file, unet, block, i)));
    }
    return blocks;
}

// Heads by level. diffusers' `attention_head_dim` is the channels of a head in unconditional UNets (8 where it is not
// said, null: one head), but a number of heads in the others; those without a configuration are SD 1 (8 heads), or
// SD 2 (context 1024) and SD XL, with heads of 64.
std::vector<int64_t> unet_heads(const ModelFile& file, const json& config, const UNetConfig& unet) {
    if (unet.unconditional()) {
        const auto found = config.find("attention_head_dim");
        const bool one_head = found != config.end() && found->is_null();
        std::vector<int64_t> heads;
        for (const auto& level : unet.levels) {
            const int64_t width = one_head ? level.channels : positive(file, config, "attention_head_dim", 8);
            heads.push_back(level.channels % width == 0 ? level.channels / width : 0);
        }
        return heads;
    }
    auto heads = per_level(file, config, "num_attention_heads", unet.levels.size());
    if (heads.empty()) heads = per_level(file, config, "attention_head_dim", unet.levels.size());
    if (heads.empty()) {
        for (const auto& level : unet.levels) {
            const bool heads_of_64 = unet.context_width == 1024 || unet.has_addition();
            heads.push_back(heads_of_64 ? std::max<int64_t>(1, level.channels / 64) : 8);
        }
    }
    return heads;
}

// The types of an unconditional UNet's blocks, in the order of computation, must be those that its tensors tell.
void check_block_types(const ModelFile& file, const json& config, const std::string& key, const std::string& plain,
                       const std::vector<bool>& attention) {
    const auto types = value<std::vector<std::string>>(file, config, key.c_str(), {});
    if (types.empty()) return;
    if (types.size() != attention.size()) {
        fail("FILE_INVALID", file.path(), ": the configuration's ", key, " has ", types.size(), " values for ",
             attention.size(), " levels");
    }
    for (size_t i = 0; i < types.size(); i++) {
        const std::string expected = (attention[i] ? "Attn" : "") + plain;
        if (types[i] != expected) {
            fail("UNKNOWN_ARCHITECTURE", file.path(), ": the configuration's ", key, "[", i, "] is ", types[i],
                 ", but the engine knows DownBlock2D, AttnDownBlock2D, UpBlock2D and AttnUpBlock2D, and the tensors "
                 "are of ",
                 expected);
        }
    }
}

// The residual blocks of the middle. In some distilled models there is only one (diffusers' UNetMidBlock2D), or none; a
// file that tells nothing of it has all but where its levels are those of such a model.
int64_t detect_mid_layers(const ModelFile& file, const json& config, const UNetConfig& unet) {
    const std::string middle = kUNet + "mid_block.";
    if (unet.unconditional()) return 2;
    if (const auto kind = config.find("mid_block_type"); kind != config.end()) {
        if (kind->is_null()) return 0;
        if (*kind == "UNetMidBlock2D") return 1;
        if (*kind == "UNetMidBlock2DCrossAttn") return 2;
        fail("UNKNOWN_ARCHITECTURE", file.path(), ": the configuration's mid_block_type is ", kind->dump(),
             ", but the engine knows UNetMidBlock2DCrossAttn, UNetMidBlock2D and null");
    }
    if (!config.empty()) return 2;
    const bool thin = std::all_of(unet.levels.begin(), unet.levels.end(),
                                  [](const UNetLevel& level) { return level.down_layers() == 1; });
    if (thin && !file.has_component(middle)) return 0;
    const bool one = file.has_component(middle + "resnets.0.") && !file.has_component(middle + "resnets.1.") &&
                     !file.has_component(middle + "attentions.");
    return one ? 1 : 2;
}

// What only the addition embedding's width tells: how many numbers about the size it takes. A ControlNet's file holds
// no text encoder to read the pooled text's width from; there are ControlNets of base models only, which take 6
// numbers.
AdditionConfig detect_addition(const ModelFile& file, const json& config, const UNetConfig& unet) {
    AdditionConfig addition;
    const std::string name = kUNet + "add_embedding.linear_1.weight";
    if (!file.has_component(kUNet + "add_embedding.")) return addition;
    const std::string projection = "text_encoder_2.text_projection.weight";
    constexpr int64_t kOpenClipBigG = 1280, kBaseNumbers = 6;
    addition.number_width = positive(file, config, "addition_time_embed_dim", 256);
    const int64_t width = dimension(file, name, 2, 1);
    addition.pooled_width = unet.is_control         ? width - kBaseNumbers * addition.number_width
                            : file.find(projection) ? dimension(file, projection, 2, 0)
                                                    : kOpenClipBigG;
    const int64_t numbers = width - addition.pooled_width;
    addition.size_numbers = numbers / addition.number_width;
    const bool known = addition.pooled_width > 0 && (addition.size_numbers == 5 || addition.size_numbers == 6);
    if (!known || addition.width() != width || dimension(file, name, 2, 0) != unet.time_width) {
        fail("UNKNOWN_ARCHITECTURE", file.path(), ": ", name, ": expected ", addition.pooled_width,
             " values of pooled text and 5 or 6 numbers of ", addition.number_width, ", got ", width);
    }
    return addition;
}

void check_conditional(const ModelFile& file, const json& config) {
    check_settings(file, config,
                   {{"act_fn", "silu"},
                    {"addition_embed_type", "text_time"},
                    {"attention_type", "default"},
                    {"class_embed_type", nullptr},
                    {"class_embeddings_concat", false},
                    {"conv_in_kernel", 3},
                    {"conv_out_kernel", 3},
                    {"cross_attention_norm", nullptr},
                    {"downsample_padding", 1},
                    {"dual_cross_attention", false},
                    {"encoder_hid_dim_type", nullptr},
                    {"mid_block_only_cross_attention", nullptr},
                    {"mid_block_scale_factor", 1},
                    {"num_class_embeds", nullptr},
                    {"only_cross_attention", false},
                    {"resnet_skip_time_act", false},
                    {"resnet_time_scale_shift", "default"},
                    {"time_embedding_act_fn", nullptr},
                    {"time_embedding_type", "positional"},
                    {"timestep_post_act", nullptr}});
}

// What only an unconditional UNet's configuration tells: nothing of it can be read from tensors, so it has to be there.
void detect_unconditional(const ModelFile& file, const json& config, UNetConfig& unet) {
    const auto kind = value<std::string>(file, config, "_class_name", "nothing");
    if (kind != "UNet2DModel") {
        fail("UNKNOWN_ARCHITECTURE", file.path(), ": a UNet without cross-attention needs a configuration whose ",
             "_class_name is UNet2DModel (a folder with its config.json), got ", kind);
    }
    if (unet.in_channels != unet.out_channels) {
        fail("UNKNOWN_ARCHITECTURE", file.path(), ": expected an unconditional UNet with as many output as input ",
             "channels (no learned variance), got ", unet.in_channels, " and ", unet.out_channels);
    }
    check_settings(file, config,
                   {{"act_fn", "silu"},
                    {"resnet_time_scale_shift", "default"},
                    {"downsample_type", "conv"},
                    {"upsample_type", "conv"},
                    {"time_embedding_type", "positional"},
                    {"mid_block_type", "UNetMidBlock2D"},
                    {"mid_block_scale_factor", 1},
                    {"center_input_sample", false},
                    {"class_embed_type", nullptr},
                    {"num_class_embeds", nullptr},
                    {"attn_norm_num_groups", nullptr}});
    std::vector<bool> down, up;
    for (const auto& level : unet.levels) {
        down.push_back(level.down_attention.front() > 0);
        up.insert(up.begin(), level.up_attention.front() > 0);
    }
    check_block_types(file, config, "down_block_types", "DownBlock2D", down);
    check_block_types(file, config, "up_block_types", "UpBlock2D", up);
    const int64_t padding = value<int64_t>(file, config, "downsample_padding", 1);
    if (padding != 0 && padding != 1) {
        fail("UNKNOWN_ARCHITECTURE", file.path(), ": the configuration's downsample_padding is ", padding,
             ", but the engine knows 0 and 1");
    }
    unet.pad_bottom_right = padding == 0;  // diffusers pads by (0, 1, 0, 1) then
}

}  // namespace

ClipTextConfig detect_clip_text(const ModelFile& file, const std::string& component) {
    const json& config = section(file, component.c_str());
    const std::string model = component + ".text_model.";
    ClipTextConfig text;
    text.vocabulary = dimension(file, model + "embeddings.token_embedding.weight", 2, 0);
    text.width = dimension(file, model + "embeddings.token_embedding.weight", 2, 1);
    text.context_length = dimension(file, model + "embeddings.position_embedding.weight", 2, 0);
    text.layers = count(file, model + "encoder.layers.", ".layer_norm1.weight");
    if (text.layers == 0) fail("MISSING_TENSOR", model, "encoder.layers.0.layer_norm1.weight is not in ", file.path());
    text.intermediate = dimension(file, model + "encoder.layers.0.mlp.fc1.weight", 2, 0);
    text.heads = positive(file, config, "num_attention_heads", std::max<int64_t>(1, text.width / 64));
    check_divides(file, "attention heads", text.heads, text.width);
    text.eps = value<float>(file, config, "layer_norm_eps", 1e-5f);
    // OpenCLIP's encoders: ViT-H, which Stable Diffusion 2 has, and ViT-bigG, the second one of XL.
    const bool second = component == "text_encoder_2", open_clip = second || text.width == 1024;
    const auto act = value<std::string>(file, config, "hidden_act", open_clip ? "gelu" : "quick_gelu");
    if (act != "gelu" && act != "quick_gelu") {
        fail("UNKNOWN_ARCHITECTURE", file.path(), ": the text encoder's activation ", act,
             " is neither gelu nor quick_gelu");
    }
    text.quick_gelu = act == "quick_gelu";
    // A configuration counts the layers that are used; a bare OpenCLIP-H file carries one more than Stable Diffusion 2
    // uses.
    const int64_t used =
        positive(file, config, "num_hidden_layers", !second && open_clip && text.layers == 24 ? 23 : text.layers);
    if (used > text.layers) {
        fail("MISSING_TENSOR", file.path(), ": the text encoder should have ", used, " layers, but has ", text.layers);
    }
    text.skipped_layers = text.layers - used;
    if (second) text.projection_width = dimension(file, component + ".text_projection.weight", 2, 0);
    text.final_norm = !file.has_component("text_encoder_2.");
    return text;
}

std::vector<std::string> UNetConfig::attention_blocks() const {
    std::vector<std::string> blocks;
    for (size_t i = 0; i < levels.size(); i++) {
        if (levels[i].down_attention.front() > 0) blocks.push_back("down." + std::to_string(i));
    }
    if (mid_attention > 0) blocks.push_back("mid");
    for (size_t i = 0; i < levels.size(); i++) {
        const auto& attention = levels[levels.size() - 1 - i].up_attention;
        if (!attention.empty() && attention.front() > 0) blocks.push_back("up." + std::to_string(i));
    }
    return blocks;
}

UNetConfig detect_unet(const ModelFile& file) {
    const json& config = section(file, "unet");
    UNetConfig unet;
    unet.is_control = file.has(kUNet + "controlnet_cond_embedding.conv_in.weight");
    unet.in_channels = in_channels(file, kUNet + "conv_in.weight");
    unet.out_channels = unet.is_control ? unet.in_channels : out_channels(file, kUNet + "conv_out.weight");
    unet.context_width = context_width(file);
    if (unet.is_control && unet.unconditional()) {
        fail("UNKNOWN_ARCHITECTURE", file.path(), ": a ControlNet without attention, which is not supported");
    }
    unet.time_width = dimension(file, kUNet + "time_embedding.linear_1.weight", 2, 0);
    unet.groups = positive(file, config, "norm_num_groups", 32);
    unet.eps = value<float>(file, config, "norm_eps", 1e-5f);
    unet.flip_sin_to_cos = value<bool>(file, config, "flip_sin_to_cos", true);
    unet.freq_shift = value<float>(file, config, "freq_shift", 0);
    const int64_t levels = count_levels(file, kUNet + "down_blocks.");
    for (int64_t i = 0; i < levels; i++) {
        const auto down = kUNet + "down_blocks." + std::to_string(i) + ".";
        const auto up = kUNet + "up_blocks." + std::to_string(levels - 1 - i) + ".";
        UNetLevel level;
        level.channels = out_channels(file, down + "resnets.0.conv1.weight");
        level.down_attention = attention_by_layer(file, unet, down);
        level.up_attention = attention_by_layer(file, unet, up);
        if (level.up_attention.empty() && !unet.is_control) file.at(up + "resnets.0.conv1.weight");
        check_divides(file, "groups", unet.groups, level.channels);
        unet.levels.push_back(level);
    }
    unet.addition = detect_addition(file, config, unet);
    if (const std::string name = kUNet + "time_embedding.cond_proj.weight"; file.has(name)) {
        unet.guidance_width = dimension(file, name, 2, 1);
    }
    unet.mid_layers = detect_mid_layers(file, config, unet);
    unet.mid_attention = attention_blocks(file, unet, kUNet + "mid_block.", 0);
    if (!unet.unconditional()) {
        unet.mid_attention = unet.mid_layers < 2 ? 0 : std::max<int64_t>(1, unet.mid_attention);
        check_conditional(file, config);
    } else {
        detect_unconditional(file, config, unet);
    }
    const auto size = config.find("sample_size");
    if (size != config.end() && size->is_number_integer()) unet.sample_size = positive(file, config, "sample_size", 1);
    const auto heads = unet_heads(file, config, unet);
    for (size_t i = 0; i < unet.levels.size(); i++) {
        unet.levels[i].heads = heads[i];
        const auto& level = unet.levels[i];
        const bool goes_up = !level.up_attention.empty();
        if (level.down_attention.front() > 0 || (goes_up && level.up_attention.front() > 0)) {
            check_divides(file, "attention heads", heads[i], level.channels);
        }
    }
    unet.mid_heads = heads.back();
    if (unet.mid_attention) check_divides(file, "attention heads", unet.mid_heads, unet.levels.back().channels);
    return unet;
}

VaeConfig detect_vae(const ModelFile& file, float scaling_factor) {
    const json& config = section(file, "vae");
    VaeConfig vae;
    vae.latent_channels = in_channels(file, kVae + "decoder.conv_in.weight");
    vae.image_channels = out_channels(file, kVae + "decoder.conv_out.weight");
    vae.groups = positive(file, config, "norm_num_groups", 32);
    vae.scaling_factor = value<float>(file, config, "scaling_factor", scaling_factor);
    vae.shift_factor = value<float>(file, config, "shift_factor", 0.0f);
    if (!std::isfinite(vae.scaling_factor) || vae.scaling_factor == 0) {
        fail("FILE_INVALID", file.path(), ": the configuration's scaling_factor is ", vae.scaling_factor);
    }
    const int64_t levels = count_levels(file, kVae + "decoder.up_blocks.");
    for (int64_t i = 0; i < levels; i++) {
        const auto up = kVae + "decoder.up_blocks." + std::to_string(levels - 1 - i) + ".";
        vae.decoder_channels.push_back(out_channels(file, up + "resnets.0.conv1.weight"));
        const auto down = kVae + "encoder.down_blocks." + std::to_string(i) + ".resnets.0.conv1.weight";
        if (file.has_component(kVae + "encoder.")) vae.encoder_channels.push_back(out_channels(file, down));
        check_divides(file, "groups", vae.groups, vae.decoder_channels.back());
    }
    vae.decoder_layers = count(file, kVae + "decoder.up_blocks.0.resnets.", ".conv1.weight");
    vae.encoder_layers = count(file, kVae + "encoder.down_blocks.0.resnets.", ".conv1.weight");
    vae.mid_attention = file.find(kVae + "decoder.mid_block.attentions.0.to_q.weight") != nullptr;
    return vae;
}

namespace {

// Our word for what a diffusers scheduler's configuration says.
std::string prediction_type(const ModelFile& file, const json& config, const char* otherwise) {
    const bool flow = value<std::string>(file, config, "_class_name", "").starts_with("FlowMatch");
    const auto type = value<std::string>(file, config, "prediction_type", flow ? "flow" : otherwise);
    if (type == "sample") return "x0";
    if (type == "flow_prediction") return "flow";
    for (const char* known : {"epsilon", "v_prediction", "x0", "flow"}) {
        if (type == known) return type;
    }
    fail("UNKNOWN_ARCHITECTURE", file.path(), ": prediction_type ", type,
         " is none of epsilon, v_prediction, sample and flow_prediction");
}

double flow_shift(const ModelFile& file, const json& config) {
    if (value<bool>(file, config, "use_dynamic_shifting", false)) {
        fail("UNKNOWN_ARCHITECTURE", file.path(),
             ": the configuration's use_dynamic_shifting, a shift by the picture's size, is not supported");
    }
    const double shift = value<double>(file, config, "shift", value<double>(file, config, "flow_shift", 1.0));
    if (std::isfinite(shift) && shift > 0) return shift;
    fail("FILE_INVALID", file.path(), ": the configuration's shift must be a finite number above 0, but is ", shift);
}

}  // namespace

PredictionConfig detect_prediction(const ModelFile& file) {
    const json& config = section(file, "scheduler");
    PredictionConfig prediction;
    // Without a configuration: SD 2's width means v-prediction (768-v and its descendants), else epsilon; and DDPM's
    // own schedule (arXiv 2006.11239) for an unconditional UNet, Stable Diffusion's for the others.
    const bool has_unet = file.find(kUNet + "conv_in.weight") != nullptr;
    // The inpainting and depth models of SD 2, which take more channels, come from its base and predict epsilon.
    const bool sd2 =
        config.empty() && has_unet && context_width(file) == 1024 && in_channels(file, kUNet + "conv_in.weight") == 4;
    const bool ddpm = has_unet && context_width(file) == 0;
    prediction.type = prediction_type(file, config, sd2 ? "v_prediction" : "epsilon");
    if (prediction.type == "flow") {
        prediction.shift = flow_shift(file, config);
    } else {
        prediction.zero_terminal_snr = value<bool>(file, config, "rescale_betas_zero_snr", false);
    }
    prediction.beta_schedule = value<std::string>(file, config, "beta_schedule", ddpm ? "linear" : "scaled_linear");
    prediction.beta_start = value<double>(file, config, "beta_start", ddpm ? 0.0001 : 0.00085);
    prediction.beta_end = value<double>(file, config, "beta_end", ddpm ? 0.02 : 0.012);
    prediction.train_steps = positive(file, config, "num_train_timesteps", 1000);
    // Latents have no bounds, so that Stable Diffusion never clips, whatever its scheduler says; pixels have.
    if (ddpm && value<bool>(file, config, "clip_sample", true)) {
        prediction.clip_range = value<double>(file, config, "clip_sample_range", 1.0);
        if (!(prediction.clip_range > 0)) {
            fail("FILE_INVALID", file.path(), ": the configuration's clip_sample_range is ", prediction.clip_range);
        }
    }
    return prediction;
}

}  // namespace nd::models
