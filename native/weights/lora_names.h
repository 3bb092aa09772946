// The names of a LoRA file's tensors, and of the weights that they change, as one key: a layer's canonical name with
// underscores for dots, e.g. `unet_mid_block_attentions_0_proj_in`. kohya's names cannot be read back, only compared.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace nd::weights {

// What a tensor is of which layer.
struct LoraName {
    std::string layer;  // the key
    std::string
        role;  // "down", "up", "mid", "alpha", "hada_w1_a", ..., "lokr_t2", "diff", "diff_b", "w_norm", "b_norm"
};

// Understands the names of kohya's scripts (also over CompVis' blocks), of LyCORIS, of diffusers and peft, old and new.
// Nothing for names of none of these. Throws UNKNOWN_ARCHITECTURE for adapters that are not supported, such as DoRA;
// `path` is for the message.
std::optional<LoraName> parse_lora_name(const std::string& name, const std::string& path);

// The keys under which files know the layers of a model's UNet and text encoders -> the layer's canonical name,
// without `.weight`. `weights` are canonical names.
std::map<std::string, std::string> lora_keys(const std::vector<std::string>& weights);

}  // namespace nd::weights
