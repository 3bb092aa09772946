#include "native/weights/lora_names.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>
#include <utility>

#include "native/error.h"
#include "native/weights/checks.h"

namespace nd::weights {

namespace {

using Pair = std::pair<std::string_view, std::string_view>;

// How a tensor's name ends -> what it is.
constexpr Pair kRoles[] = {
    {".lora_down.weight", "down"},
    {".lora_up.weight", "up"},
    {".lora_mid.weight", "mid"},
    {".lora_A.weight", "down"},
    {".lora_B.weight", "up"},
    {".lora_A.default.weight", "down"},
    {".lora_B.default.weight", "up"},
    {".lora.down.weight", "down"},
    {".lora.up.weight", "up"},
    {".lora_linear_layer.down.weight", "down"},
    {".lora_linear_layer.up.weight", "up"},
    {"_lora.down.weight", "down"},
    {"_lora.up.weight", "up"},
    {".alpha", "alpha"},
    {".hada_w1_a", "hada_w1_a"},
    {".hada_w1_b", "hada_w1_b"},
    {".hada_w2_a", "hada_w2_a"},
    {".hada_w2_b", "hada_w2_b"},
    {".hada_t1", "hada_t1"},
    {".hada_t2", "hada_t2"},
    {".lokr_w1", "lokr_w1"},
    {".lokr_w1_a", "lokr_w1_a"},
    {".lokr_w1_b", "lokr_w1_b"},
    {".lokr_w2", "lokr_w2"},
    {".lokr_w2_a", "lokr_w2_a"},
    {".lokr_w2_b", "lokr_w2_b"},
    {".lokr_t2", "lokr_t2"},
    {".diff", "diff"},
    {".diff_b", "diff_b"},
    {".w_norm", "w_norm"},
    {".b_norm", "b_norm"},
};

// How tensors end that change what a layer computes in a way that is not supported.
constexpr Pair kRefused[] = {
    {".dora_scale", "DoRA (a magnitude of the weights)"},
    {".lora_magnitude_vector", "DoRA (a magnitude of the weights)"},
    {".lora_magnitude_vector.weight", "DoRA (a magnitude of the weights)"},
    {".lora_magnitude_vector.default.weight", "DoRA (a magnitude of the weights)"},
    {".oft_blocks", "OFT (a rotation of the weights)"},
    {".oft_diag", "OFT (a rotation of the weights)"},
    {".on_input", "IA3 (a scale of the activations)"},
    {".lora_B.bias", "a LoRA with biases of its own"},
};

// How a file begins the names of a component's layers.
constexpr Pair kPrefixes[] = {
    {"lora_unet_", "unet_"},
    {"lora_te_", "text_encoder_"},
    {"lora_te1_", "text_encoder_"},
    {"lora_te2_", "text_encoder_2_"},
    {"lycoris_unet_", "unet_"},
    {"lycoris_te_", "text_encoder_"},
    {"lycoris_te1_", "text_encoder_"},
    {"lycoris_te2_", "text_encoder_2_"},
    {"lycoris_", "unet_"},
    {"diffusion_model.", "unet_"},
    {"unet.", "unet_"},
    {"text_encoder.", "text_encoder_"},
    {"text_encoder_2.", "text_encoder_2_"},
    {"down_blocks.", "unet_down_blocks_"},
    {"mid_block.", "unet_mid_block_"},
    {"up_blocks.", "unet_up_blocks_"},
    {"text_model.", "text_encoder_text_model_"},
};

// The names that diffusers' attention processors gave a text encoder's projections.
constexpr Pair kOldProjections[] = {{"self_attn_to_q", "self_attn_q_proj"},
                                    {"self_attn_to_k", "self_attn_k_proj"},
                                    {"self_attn_to_v", "self_attn_v_proj"},
                                    {"self_attn_to_out", "self_attn_out_proj"}};

constexpr Pair kResnet[] = {{"norm1", "in_layers.0"},  {"conv1", "in_layers.2"},  {"time_emb_proj", "emb_layers.1"},
                            {"norm2", "out_layers.0"}, {"conv2", "out_layers.3"}, {"conv_shortcut", "skip_connection"}};

constexpr Pair kUnetEnds[] = {{"conv_in", "input_blocks.0.0"},
                              {"conv_norm_out", "out.0"},
                              {"conv_out", "out.2"},
                              {"time_embedding.linear_1", "time_embed.0"},
                              {"time_embedding.linear_2", "time_embed.2"},
                              {"add_embedding.linear_1", "label_emb.0.0"},
                              {"add_embedding.linear_2", "label_emb.0.2"}};

bool take(std::string_view& text, std::string_view prefix) {
    if (!text.starts_with(prefix)) return false;
    text.remove_prefix(prefix.size());
    return true;
}

int take_number(std::string_view& text) {
    int value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || value < 0 || value > 9999) return -1;
    text.remove_prefix(static_cast<size_t>(end - text.data()));
    take(text, ".");
    return value;
}

std::string flat(std::string_view name) {
    std::string key(name);
    std::replace(key.begin(), key.end(), '.', '_');
    return key;
}

std::string layer_key(std::string_view name) {
    take(name, "base_model.model.");
    std::string key;
    for (const auto& [prefix, begin] : kPrefixes) {
        if (!take(name, prefix)) continue;
        key = begin;
        break;
    }
    if (key.empty()) return "";
    key += flat(name);
    const size_t processor = key.find("_processor_");
    if (processor != std::string::npos) key.erase(processor, std::string_view("_processor").size());
    for (const auto& [old, current] : kOldProjections) {
        if (key.ends_with(old)) return key.substr(0, key.size() - old.size()) + std::string(current);
    }
    return key.ends_with("_to_out") ? key + "_0" : key;
}

// How many resnets stand in a level of the UNet.
int layers_per_block(const std::vector<std::string>& weights) {
    int most = 1;
    for (std::string_view name : weights) {
        if (take(name, "unet.down_blocks.0.resnets.")) most = std::max(most, take_number(name) + 1);
    }
    return most;
}

// CompVis' name of a residual block's or transformer's layer, which begins with `module` and a number.
std::string compvis_module(const std::string& block, std::string_view rest) {
    if (!take(rest, "resnets."))
        return take(rest, "attentions.") && take_number(rest) >= 0 ? block + ".1." + std::string(rest) : "";
    if (take_number(rest) < 0) return "";
    for (const auto& [ours, theirs] : kResnet) {
        if (rest == ours) return block + ".0." + std::string(theirs);
    }
    return "";
}

int slot_of(std::string_view rest) {
    if (!take(rest, "resnets.") && !take(rest, "attentions.")) return -1;
    return take_number(rest);
}

// CompVis' names of a UNet's layer, which is given without `unet.`.
std::vector<std::string> compvis_names(std::string_view layer, int layers) {
    for (const auto& [ours, theirs] : kUnetEnds) {
        if (layer == ours) return {std::string(theirs)};
    }
    std::string_view rest = layer;
    if (take(rest, "mid_block.")) {
        const int slot = slot_of(rest);
        if (rest.starts_with("attentions.")) return {compvis_module("middle_block", rest)};
        std::string name = compvis_module("middle_block", rest);
        if (slot == 1 && !name.empty()) name.replace(0, std::string_view("middle_block.0").size(), "middle_block.2");
        return {name};
    }
    const bool down = take(rest, "down_blocks.");
    if (!down && !take(rest, "up_blocks.")) return {};
    const int level = take_number(rest), first = level * (layers + 1);
    if (level < 0) return {};
    if (rest == "downsamplers.0.conv") return {"input_blocks." + std::to_string(first + layers + 1) + ".0.op"};
    if (rest == "upsamplers.0.conv") {
        // It follows the attention, or the resnet in a level without.
        const std::string block = "output_blocks." + std::to_string(first + layers);
        return {block + ".1.conv", block + ".2.conv"};
    }
    const int slot = slot_of(rest);
    if (slot < 0) return {};
    const std::string block =
        down ? "input_blocks." + std::to_string(1 + first + slot) : "output_blocks." + std::to_string(first + slot);
    return {compvis_module(block, rest)};
}

}  // namespace

std::optional<LoraName> parse_lora_name(const std::string& name, const std::string& path) {
    for (const auto& [ending, kind] : kRefused) {
        if (!name.ends_with(ending)) continue;
        fail("UNKNOWN_ARCHITECTURE", path, ": expected LoRA, LoHa, LoKr or full differences, but the tensor ",
             printable(name), " is of ", kind, ", which is not supported");
    }
    for (const auto& [ending, role] : kRoles) {
        if (!name.ends_with(ending)) continue;
        std::string_view layer(name.data(), name.size() - ending.size());
        if (role == "alpha" && layer.ends_with("_lora")) layer.remove_suffix(std::string_view("_lora").size());
        std::string key = layer_key(layer);
        if (key.empty()) return std::nullopt;
        return LoraName{std::move(key), std::string(role)};
    }
    return std::nullopt;
}

std::map<std::string, std::string> lora_keys(const std::vector<std::string>& weights) {
    const int layers = layers_per_block(weights);
    std::map<std::string, std::string> keys;
    for (const std::string& name : weights) {
        const bool unet = name.starts_with("unet."), text = name.starts_with("text_encoder");
        if ((!unet && !text) || !name.ends_with(".weight")) continue;
        const std::string layer = name.substr(0, name.size() - std::string_view(".weight").size());
        keys.emplace(flat(layer), layer);
        if (unet) {
            for (const std::string& other : compvis_names(std::string_view(layer).substr(5), layers)) {
                if (!other.empty()) keys.emplace("unet_" + flat(other), layer);
            }
        } else {
            const size_t at = layer.find(".text_model.");
            if (at != std::string::npos)
                keys.emplace(flat(layer.substr(0, at)) + "_" + flat(layer.substr(at + 12)), layer);
        }
    }
    return keys;
}

}  // namespace nd::weights
