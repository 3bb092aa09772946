// One naming for all files: diffusers' and transformers' state dict names behind `unet.`, `vae.`, `text_encoder.` and
// `text_encoder_2.`.
#include "native/weights/names.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <optional>
#include <utility>

#include "native/error.h"
#include "native/weights/checks.h"
#include "native/weights/families.h"
#include "native/weights/upscaler_names.h"

namespace nd::weights {

namespace {

using Pairs = std::vector<std::pair<std::string_view, std::string_view>>;

constexpr std::string_view kUnet = "model.diffusion_model.";
constexpr std::string_view kControl = "control_model.";
constexpr std::string_view kVae = "first_stage_model.";

// Where a text encoder stands in a file, with whose names, and which one it is here. Stable Diffusion XL's refiner has
// the second one alone; `cond_stage_model.1.` is stable-diffusion.cpp's.
struct TextPrefix {
    std::string_view prefix;
    bool open_clip;
    std::string_view component;
};
constexpr TextPrefix kTextPrefixes[] = {
    {"cond_stage_model.transformer.", false, "text_encoder."},
    {"cond_stage_model.model.", true, "text_encoder."},
    {"cond_stage_model.1.transformer.", false, "text_encoder_2."},
    {"cond_stage_model.1.model.", true, "text_encoder_2."},
    {"conditioner.embedders.0.transformer.", false, "text_encoder."},
    {"conditioner.embedders.0.model.", true, "text_encoder_2."},
    {"conditioner.embedders.1.model.", true, "text_encoder_2."},
    {"text_encoder.", false, "text_encoder."},
    {"text_encoder_2.", false, "text_encoder_2."},
};

// Takes `prefix` off the front of `text`; false, and nothing taken, where it does not begin so.
bool take(std::string_view& text, std::string_view prefix) {
    if (!text.starts_with(prefix)) return false;
    text.remove_prefix(prefix.size());
    return true;
}

// Takes "12." off the front of `text`; nothing where there is no such number.
std::optional<int> take_number(std::string_view& text) {
    int value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || value < 0 || value > 9999 || end == text.data() + text.size() || *end != '.')
        return std::nullopt;
    text.remove_prefix(static_cast<size_t>(end - text.data()) + 1);
    return value;
}

std::string join(std::initializer_list<std::string_view> parts) {
    std::string text;
    for (std::string_view part : parts) text += part;
    return text;
}

std::string numbered(std::string_view before, int number, std::string_view after) {
    return join({before, std::to_string(number), after});
}

// `name` with the prefix that `pairs` knows replaced; empty where it knows none.
std::string replace_prefix(std::string_view name, const Pairs& pairs) {
    for (const auto& [from, to] : pairs) {
        if (take(name, from)) return join({to, name});
    }
    return "";
}

// --- UNet ------------------------------------------------------------------------------------------------------------

std::string unet_resnet(const std::string& block, std::string_view rest) {
    static const Pairs pairs = {{"in_layers.0.", "norm1."},          {"in_layers.2.", "conv1."},
                                {"emb_layers.1.", "time_emb_proj."}, {"out_layers.0.", "norm2."},
                                {"out_layers.3.", "conv2."},         {"skip_connection.", "conv_shortcut."}};
    const std::string name = replace_prefix(rest, pairs);
    return name.empty() ? "" : block + name;
}

bool is_transformer(std::string_view rest) {
    return rest.starts_with("norm.") || rest.starts_with("proj_in.") || rest.starts_with("proj_out.") ||
           rest.starts_with("transformer_blocks.");
}

// `level` is that of down_blocks, `slot` the position in it; slot == layers_per_block is the downsampler.
std::string unet_input(int index, int module, std::string_view rest, int layers_per_block) {
    if (index == 0) return module == 0 ? join({"unet.conv_in.", rest}) : "";
    const int level = (index - 1) / (layers_per_block + 1), slot = (index - 1) % (layers_per_block + 1);
    const std::string block = numbered("unet.down_blocks.", level, ".");
    if (slot == layers_per_block) return take(rest, "op.") ? join({block, "downsamplers.0.conv.", rest}) : "";
    if (module == 0) return unet_resnet(numbered(block + "resnets.", slot, "."), rest);
    return module == 1 && is_transformer(rest) ? join({numbered(block + "attentions.", slot, "."), rest}) : "";
}

std::string unet_output(int index, int module, std::string_view rest, int layers_per_block) {
    const int level = index / (layers_per_block + 1), slot = index % (layers_per_block + 1);
    const std::string block = numbered("unet.up_blocks.", level, ".");
    if (module == 0) return unet_resnet(numbered(block + "resnets.", slot, "."), rest);
    // The upsampler follows the attention, or the resnet in a level without attention.
    if (module <= 2 && take(rest, "conv.")) return join({block, "upsamplers.0.conv.", rest});
    return module == 1 && is_transformer(rest) ? join({numbered(block + "attentions.", slot, "."), rest}) : "";
}

std::string unet_middle(int module, std::string_view rest) {
    if (module == 1 && is_transformer(rest)) return join({"unet.mid_block.attentions.0.", rest});
    if (module == 0 || module == 2) return unet_resnet(numbered("unet.mid_block.resnets.", module / 2, "."), rest);
    return "";
}

// How many resnets stand in a level: the first downsampler is block layers_per_block + 1. A net of one level has none.
int find_layers_per_block(const std::vector<std::string>& names, std::string_view prefix) {
    int first_downsampler = 0, last_block = 0;
    for (std::string_view name : names) {
        if (!take(name, prefix) || !take(name, "input_blocks.")) continue;
        const std::optional<int> index = take_number(name);
        if (!index) continue;
        last_block = std::max(last_block, *index);
        if (name.starts_with("0.op.") && (first_downsampler == 0 || *index < first_downsampler))
            first_downsampler = *index;
    }
    return std::max(1, first_downsampler > 0 ? first_downsampler - 1 : last_block);
}

int find_decoder_levels(const std::vector<std::string>& names, std::string_view prefix) {
    int levels = 0;
    for (std::string_view name : names) {
        if (!take(name, prefix) || !take(name, "decoder.up.")) continue;
        if (const std::optional<int> level = take_number(name)) levels = std::max(levels, *level + 1);
    }
    return levels;
}

// --- VAE -------------------------------------------------------------------------------------------------------------

std::string vae_resnet(std::string_view rest) {
    return take(rest, "nin_shortcut.") ? join({"conv_shortcut.", rest}) : std::string(rest);
}

const Pairs& vae_attention() {
    static const Pairs pairs = {{"norm.", "group_norm."},   {"q.", "to_q."},     {"k.", "to_k."},   {"v.", "to_v."},
                                {"proj_out.", "to_out.0."}, {"query.", "to_q."}, {"key.", "to_k."}, {"value.", "to_v."},
                                {"proj_attn.", "to_out.0."}};
    return pairs;
}

// --- diffusers' own names
// ---------------------------------------------------------------------------------------------

// Of any age: before 0.17 the self-attention of VAE and unconditional UNet had other names.
std::string modern_name(std::string_view name) {
    static const Pairs old = {{"query.", "to_q."}, {"key.", "to_k."}, {"value.", "to_v."}, {"proj_attn.", "to_out.0."}};
    std::string_view rest = name;
    const size_t at = name.find(".attentions.");
    if (at == std::string_view::npos) return std::string(name);
    rest.remove_prefix(at + std::string_view(".attentions.").size());
    if (!take_number(rest)) return std::string(name);
    const std::string renamed = replace_prefix(rest, old);
    return renamed.empty() ? std::string(name) : join({name.substr(0, name.size() - rest.size()), renamed});
}

// --- text encoder ----------------------------------------------------------------------------------------------------

// transformers' names, which begin with `text_model.` in some versions and not in others. Only the second encoder's
// projection is of use.
std::vector<CanonicalName> clip(std::string_view name, std::string_view component) {
    take(name, "text_model.");
    if (name.ends_with("position_ids")) return {};  // 0, 1, 2, ...: a buffer of old versions
    const bool projected = component == "text_encoder_2.";
    if (projected && name == "text_projection.weight") return {{join({component, name})}};
    if (projected && name == "text_projection") return {{join({component, name, ".weight"}), 0, 1, true}};
    const bool known =
        name.starts_with("embeddings.") || name.starts_with("encoder.") || name.starts_with("final_layer_norm.");
    return known ? std::vector<CanonicalName>{{join({component, "text_model.", name})}} : std::vector<CanonicalName>{};
}

std::vector<CanonicalName> split_projection(const std::string& layer, std::string_view kind) {
    std::vector<CanonicalName> parts;
    for (int i = 0; i < 3; ++i) {
        constexpr std::array<std::string_view, 3> kParts = {"q_proj.", "k_proj.", "v_proj."};
        parts.push_back({join({layer, "self_attn.", kParts[static_cast<size_t>(i)], kind}), i, 3});
    }
    return parts;
}

std::vector<CanonicalName> open_clip(std::string_view name, std::string_view component) {
    static const Pairs top = {{"token_embedding.weight", "embeddings.token_embedding.weight"},
                              {"positional_embedding", "embeddings.position_embedding.weight"},
                              {"ln_final.", "final_layer_norm."}};
    static const Pairs inner = {{"ln_1.", "layer_norm1."},
                                {"ln_2.", "layer_norm2."},
                                {"attn.out_proj.", "self_attn.out_proj."},
                                {"mlp.c_fc.", "mlp.fc1."},
                                {"mlp.c_proj.", "mlp.fc2."}};
    const std::string model = join({component, "text_model."});
    if (name.starts_with("text_projection")) return clip(name, component);
    if (!take(name, "transformer.resblocks.")) {
        const std::string renamed = replace_prefix(name, top);
        return renamed.empty() ? std::vector<CanonicalName>{} : std::vector<CanonicalName>{{model + renamed}};
    }
    const std::optional<int> index = take_number(name);
    if (!index) return {};
    const std::string layer = numbered(model + "encoder.layers.", *index, ".");
    if (name == "attn.in_proj_weight") return split_projection(layer, "weight");
    if (name == "attn.in_proj_bias") return split_projection(layer, "bias");
    const std::string renamed = replace_prefix(name, inner);
    return renamed.empty() ? std::vector<CanonicalName>{} : std::vector<CanonicalName>{{layer + renamed}};
}

// --- TAESD -----------------------------------------------------------------------------------------------------------

// The side that a file of TAESD's own holds, whose layers have numbers alone for names, or null. The decoder's first
// layer, which bounds the latents, has no weights.
const char* taesd_stage(const std::vector<std::string>& names) {
    const auto has = [&](const char* wanted) { return std::find(names.begin(), names.end(), wanted) != names.end(); };
    if (has("0.weight") && has("1.conv.0.weight")) return "encoder";
    return has("1.weight") && has("3.conv.0.weight") ? "decoder" : nullptr;
}

// --- files -----------------------------------------------------------------------------------------------------------

bool any_starts_with(const std::vector<std::string>& names, std::string_view prefix) {
    return std::any_of(names.begin(), names.end(), [&](const std::string& name) { return name.starts_with(prefix); });
}

// The prefix under which a file of one component alone would stand in a whole model; empty for a whole model.
std::string find_bare_prefix(const std::vector<std::string>& names) {
    for (std::string_view prefix : {kUnet, kVae, std::string_view("unet."), std::string_view("vae.")}) {
        if (any_starts_with(names, prefix)) return "";
    }
    for (const TextPrefix& text : kTextPrefixes) {
        if (any_starts_with(names, text.prefix)) return "";
    }
    if (any_starts_with(names, kControl)) return "";
    if (any_starts_with(names, "input_hint_block.")) return std::string(kControl);
    if (any_starts_with(names, "taesd.") || taesd_stage(names)) return "";
    static const Pairs signs = {{"input_blocks.", kUnet},
                                {"down_blocks.", "unet."},
                                {"encoder.down.", kVae},
                                {"decoder.up.", kVae},
                                {"encoder.down_blocks.", "vae."},
                                {"decoder.up_blocks.", "vae."},
                                {"text_model.", "text_encoder."},
                                {"embeddings.token_embedding.", "text_encoder."},
                                {"transformer.resblocks.", "cond_stage_model.model."},
                                {"encoder.layers.0.weight", "vae."},
                                {"decoder.layers.0.weight", "vae."}};
    for (const auto& [sign, prefix] : signs) {
        if (any_starts_with(names, sign)) return std::string(prefix);
    }
    return "";
}

// What is recognised and not supported.
void refuse_other_families(const std::vector<std::string>& names, const std::string& path) {
    for (const Family& family : families()) {
        if (family.is_supported) continue;
        for (const std::string_view sign : family.signs) {
            for (const std::string& name : names) {
                if (name.find(sign) == std::string::npos) continue;
                fail("UNKNOWN_ARCHITECTURE", path, ": recognised as ", family.title, " by the tensor ", printable(name),
                     ", which is not supported; expected ", supported_families());
            }
        }
    }
}

[[noreturn]] void nothing_known(const std::vector<std::string>& names, const std::string& path) {
    std::string examples;
    for (size_t i = 0; i < std::min<size_t>(3, names.size()); ++i) examples += (i ? ", " : "") + printable(names[i]);
    fail("UNKNOWN_ARCHITECTURE", path,
         ": expected tensors of a Stable Diffusion model (model.diffusion_model., first_stage_model., ",
         "cond_stage_model., conditioner.embedders., unet., vae., text_encoder. or text_encoder_2.), got ",
         names.size(), " tensors", examples.empty() ? "" : ", e.g. ", examples);
}

// Part `part` of `parts` along the outermost dimension, over the same bytes.
TensorSource slice(const TensorSource& whole, const CanonicalName& target, const std::string& path) {
    if (target.parts == 1) return whole;
    const int64_t parts = target.parts;
    const bool divides = !whole.shape.empty() && whole.shape[0] % parts == 0;
    // Where the dimension is also the innermost one, a part must be whole blocks.
    const bool whole_blocks =
        divides && (whole.shape.size() > 1 || (whole.shape[0] / parts) % ggml_blck_size(whole.type) == 0);
    if (!whole_blocks) {
        fail("FILE_INVALID", path, ": tensor ", printable(whole.file_name), ": its shape ", shape_text(whole.shape),
             " cannot be split into ", parts, " parts");
    }
    TensorSource part = whole;
    part.shape[0] /= parts;
    part.size /= static_cast<size_t>(parts);
    part.data += part.size * static_cast<size_t>(target.part);
    return part;
}

// [in, out] as [out, in]: the same values in another order; those of a quantised type become f32.
TensorSource transposed(const TensorSource& source, const std::string& path) {
    if (source.shape.size() != 2 || source.shape[1] % ggml_blck_size(source.type) != 0) {
        fail("FILE_INVALID", path, ": tensor ", printable(source.file_name), ": expected a matrix, got ",
             shape_text(source.shape));
    }
    TensorSource result = source;
    std::vector<std::byte> values(source.data, source.data + source.size);
    const auto rows = static_cast<size_t>(source.shape[0]), columns = static_cast<size_t>(source.shape[1]);
    if (ggml_blck_size(source.type) > 1) {
        const std::vector<std::byte> blocks = std::move(values);
        values.resize(rows * columns * sizeof(float));
        ggml_get_type_traits(source.type)
            ->to_float(blocks.data(), reinterpret_cast<float*>(values.data()), static_cast<int64_t>(rows * columns));
        result.type = GGML_TYPE_F32;
    }
    const size_t size = ggml_type_size(result.type);
    std::vector<std::byte> turned(values.size());
    for (size_t row = 0; row < rows; ++row) {
        for (size_t column = 0; column < columns; ++column)
            std::memcpy(&turned[(column * rows + row) * size], &values[(row * columns + column) * size], size);
    }
    result.shape = {source.shape[1], source.shape[0]};
    result.owned = std::make_shared<const std::vector<std::byte>>(std::move(turned));
    result.data = result.owned->data();
    result.size = result.owned->size();
    return result;
}

TensorSource as_named(const TensorSource& source, const CanonicalName& target, const std::string& path) {
    return target.transposed ? transposed(source, path) : slice(source, target, path);
}

}  // namespace

NameMap::NameMap(const std::vector<std::string>& names)
    : bare_prefix_(find_bare_prefix(names)), taesd_stage_(taesd_stage(names)) {
    is_control_ = bare_prefix_ == kControl || any_starts_with(names, kControl);
    const bool is_bare = bare_prefix_ == kUnet || bare_prefix_ == kControl;
    layers_per_block_ = find_layers_per_block(names, is_bare ? "" : is_control_ ? kControl : kUnet);
    decoder_levels_ = find_decoder_levels(names, bare_prefix_ == kVae ? "" : kVae);
}

std::string NameMap::map_unet(std::string_view name) const {
    if (take(name, "time_embed.0.")) return join({"unet.time_embedding.linear_1.", name});
    if (take(name, "time_embed.2.")) return join({"unet.time_embedding.linear_2.", name});
    if (take(name, "time_embed.cond_proj.")) return join({"unet.time_embedding.cond_proj.", name});
    if (name.starts_with("time_embedding.cond_proj.")) return join({"unet.", name});  // as diffusers' script leaves it
    if (take(name, "label_emb.0.0.")) return join({"unet.add_embedding.linear_1.", name});
    if (take(name, "label_emb.0.2.")) return join({"unet.add_embedding.linear_2.", name});
    if (take(name, "out.0.")) return join({"unet.conv_norm_out.", name});
    if (take(name, "out.2.")) return join({"unet.conv_out.", name});
    if (take(name, "middle_block.")) {
        const std::optional<int> module = take_number(name);
        return module ? unet_middle(*module, name) : "";
    }
    const bool input = take(name, "input_blocks.");
    if (!input && !take(name, "output_blocks.")) return "";
    const std::optional<int> index = take_number(name);
    const std::optional<int> module = take_number(name);
    if (!index || !module) return "";
    return input ? unet_input(*index, *module, name, layers_per_block_)
                 : unet_output(*index, *module, name, layers_per_block_);
}

std::string NameMap::map_vae(std::string_view name) const {
    if (name.starts_with("quant_conv.") || name.starts_with("post_quant_conv.")) return join({"vae.", name});
    for (std::string_view stage : {"encoder.", "decoder."}) {
        if (take(name, stage)) return map_vae_stage(join({"vae.", stage}), name);
    }
    return "";
}

std::string NameMap::map_vae_stage(std::string_view stage, std::string_view name) const {
    if (name.starts_with("conv_in.") || name.starts_with("conv_out.")) return join({stage, name});
    if (take(name, "norm_out.")) return join({stage, "conv_norm_out.", name});
    if (take(name, "mid.block_1.")) return join({stage, "mid_block.resnets.0.", vae_resnet(name)});
    if (take(name, "mid.block_2.")) return join({stage, "mid_block.resnets.1.", vae_resnet(name)});
    if (take(name, "mid.attn_1.")) {
        const std::string renamed = replace_prefix(name, vae_attention());
        return renamed.empty() ? "" : join({stage, "mid_block.attentions.0.", renamed});
    }
    const bool down = take(name, "down.");
    if (!down && !take(name, "up.")) return "";
    const std::optional<int> level = take_number(name);
    if (!level || (!down && *level >= decoder_levels_)) return "";
    // CompVis counts the decoder's levels from the full resolution, diffusers in the order of work.
    const std::string block =
        down ? numbered("down_blocks.", *level, ".") : numbered("up_blocks.", decoder_levels_ - 1 - *level, ".");
    if (take(name, "downsample.conv.")) return join({stage, block, "downsamplers.0.conv.", name});
    if (take(name, "upsample.conv.")) return join({stage, block, "upsamplers.0.conv.", name});
    if (!take(name, "block.")) return "";
    const std::optional<int> slot = take_number(name);
    return slot ? join({stage, block, "resnets.", std::to_string(*slot), ".", vae_resnet(name)}) : "";
}

// lllyasviel's names: those of a CompVis UNet, and the ControlNet's own.
std::string NameMap::map_control(std::string_view name) const {
    if (take(name, "middle_block_out.0.")) return join({"unet.controlnet_mid_block.", name});
    if (take(name, "zero_convs.")) {
        const std::optional<int> index = take_number(name);
        if (!index || !take(name, "0.")) return "";
        return numbered("unet.controlnet_down_blocks.", *index, join({".", name}));
    }
    if (!take(name, "input_hint_block.")) return map_unet(name);
    constexpr int kLast = 14;  // eight convolutions, an activation behind each but the last
    const std::optional<int> index = take_number(name);
    if (!index || *index % 2 != 0) return "";
    const std::string part = *index == 0       ? "conv_in"
                             : *index == kLast ? "conv_out"
                                               : numbered("blocks.", *index / 2 - 1, "");
    return join({"unet.controlnet_cond_embedding.", part, ".", name});
}

std::string NameMap::map_taesd(const std::string& name) const {
    std::string_view rest = name;
    const std::optional<int> index = take_number(rest);
    const int offset = std::string_view(taesd_stage_) == "decoder" ? 1 : 0;
    if (!index || *index < offset) return "";
    return numbered(join({"taesd.", taesd_stage_, ".layers."}), *index - offset, join({".", rest}));
}

std::vector<CanonicalName> NameMap::map(const std::string& name) const {
    const std::string full = bare_prefix_ + name;
    std::string_view rest = full;
    for (const TextPrefix& text : kTextPrefixes) {
        if (take(rest, text.prefix))
            return text.open_clip ? open_clip(rest, text.component) : clip(rest, text.component);
    }
    std::string canonical;
    if (is_control_) {
        if (take(rest, kControl)) canonical = map_control(rest);
    } else if (taesd_stage_) {
        canonical = map_taesd(name);
    } else if (rest.starts_with("taesd.")) {
        canonical = full;
    } else if (rest.starts_with("vae.encoder.layers.") || rest.starts_with("vae.decoder.layers.")) {
        canonical = join({"taesd.", rest.substr(4)});
    } else if (take(rest, kUnet)) {
        canonical = map_unet(rest);
    } else if (take(rest, kVae)) {
        canonical = map_vae(rest);
    } else if (rest.starts_with("unet.") || rest.starts_with("vae.")) {
        canonical = modern_name(rest);
    }
    if (canonical.empty()) return {};
    return {{canonical}};
}

FileContents with_canonical_names(FileContents contents, const std::string& path) {
    std::vector<std::string> names;
    for (const auto& [name, tensor] : contents.tensors) names.push_back(name);
    for (const auto& [name, type] : contents.unreadable) names.push_back(name);
    refuse_other_families(names, path);

    const auto upscaler = upscaler_names(names, path);
    const NameMap map(names);
    const auto targets_of = [&](const std::string& name) -> std::vector<CanonicalName> {
        if (upscaler.empty()) return map.map(name);
        const auto found = upscaler.find(name);
        return found == upscaler.end() ? std::vector<CanonicalName>{} : std::vector<CanonicalName>{{found->second}};
    };
    FileContents renamed;
    renamed.metadata = std::move(contents.metadata);
    renamed.owned = std::move(contents.owned);
    for (const auto& [name, tensor] : contents.tensors) {
        for (const CanonicalName& target : targets_of(name))
            renamed.tensors.emplace(target.name, as_named(tensor, target, path));
    }
    for (const auto& [name, type] : contents.unreadable) {
        for (const CanonicalName& target : targets_of(name)) renamed.unreadable.emplace(target.name, type);
    }
    if (renamed.tensors.empty() && renamed.unreadable.empty()) nothing_known(names, path);
    return renamed;
}

}  // namespace nd::weights
