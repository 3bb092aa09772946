#include "native/weights/packing_plan.h"

#include <algorithm>
#include <iterator>

namespace nd::weights {

namespace {

using kernels::Packing;

// Weights a position of Winograd's convolutions: those of Stable Diffusion's maps of 32 x 32 and more, which costs 150
// MB there; where eight bits or fewer were asked for to save memory, those of its decoder's largest maps, 10 MB.
constexpr int64_t kMostWeights = 1920 * 640, kMostWeightsOfSmall = 512 * 256;

// Where eight bits a value do harm: the first and last convolution, the timestep and what joins it, and the text, whose
// embeddings have channels a hundred times as large as the rest.
bool bears_int8(const std::string& name) {
    if (!name.starts_with("unet.")) return false;
    constexpr const char* kExact[] = {".conv_in.",    ".conv_out.",   "time_emb",    ".add_embedding.",
                                      ".attn2.to_k.", ".attn2.to_v.", ".controlnet_"};
    return std::none_of(std::begin(kExact), std::end(kExact),
                        [&](const char* part) { return name.find(part) != std::string::npos; });
}

Packing wanted(const std::string& name, std::optional<ggml_type> precision, ggml_type source) {
    if (name.starts_with("text_encoder")) return Packing::rows;
    const ggml_type type = precision.value_or(source);
    if (type == GGML_TYPE_Q8_0) return bears_int8(name) ? Packing::i8 : Packing::bf16;
    const bool halves = type == GGML_TYPE_BF16 || (type == GGML_TYPE_F16 && !precision);
    return halves ? Packing::bf16 : ggml_is_quantized(type) ? Packing::blocks : Packing::rows;
}

// Where the transforms are worth their while and the weights small beside the caches. Downsampling has another stride;
// the VAE's encoder runs too seldom to give memory for it, and its decoder's coarsest level has half of its weights but
// little of its work.
bool is_winograd(const std::string& name, int64_t n, int64_t taps, int64_t c, int64_t most_weights) {
    constexpr int64_t kFewestChannels = 128;
    return kernels::can_pack(Packing::winograd, taps, c) && std::min(n, c) >= kFewestChannels &&
           n * c <= most_weights && name.find(".downsamplers.") == std::string::npos &&
           !name.starts_with("vae.encoder.") && !name.starts_with("vae.decoder.mid_block.") &&
           !name.starts_with("vae.decoder.up_blocks.0.resnets.");
}

}  // namespace

Packing choose_packing(const std::string& name, std::optional<ggml_type> precision, ggml_type source, ggml_type rows,
                       int64_t n, int64_t taps, int64_t c) {
    Packing packing = wanted(name, precision, source);
    // Rows too short for a block are f16, which can as well be packed.
    if (packing == Packing::blocks && !ggml_is_quantized(rows)) packing = Packing::bf16;
    if (!kernels::can_multiply(packing) || !kernels::can_pack(packing, taps, c)) return Packing::rows;
    const bool small = ggml_is_quantized(precision.value_or(source));
    const int64_t most = small ? kMostWeightsOfSmall : kMostWeights;
    const bool may = packing == Packing::bf16 || (packing == Packing::blocks && name.starts_with("vae."));
    return may && is_winograd(name, n, taps, c, most) ? Packing::winograd : packing;
}

}  // namespace nd::weights
