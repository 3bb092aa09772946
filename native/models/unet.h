// The UNet that predicts the noise: latent diffusion's with cross-attention to the text (arXiv 2112.10752; diffusers'
// UNet2DConditionModel), or DDPM's unconditional one with self-attention (2006.11239; UNet2DModel).
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "native/models/attention_block.h"
#include "native/models/config.h"
#include "native/models/resnet_block.h"
#include "native/models/transformer_2d.h"

namespace nd::models {

class UNet {
  public:
    UNet(const UNetConfig& config, weights::WeightStore& store);

    const UNetConfig& config() const { return config_; }

    // The sinusoidal embedding of a timestep (arXiv 1706.03762), `levels[0].channels` long.
    std::vector<float> timestep_embedding(double timestep) const;
    // That of a guidance scale (arXiv 2310.04378, section 4.2, where w is the scale less one), `guidance_width` long.
    std::vector<float> guidance_embedding(double scale) const;
    // What the addition embedding of one row takes: its pooled text [pooled_width], then its numbers about the size
    // [size_numbers], embedded -> [addition.width()].
    std::vector<float> addition_input(std::span<const float> pooled, std::span<const float> size_numbers) const;
    // That, for all rows [rows, 1, 1, addition.width()] -> what is added to the timestep's [rows, 1, 1, time_width].
    ops::Map addition(ops::Ops& ops, const ops::Map& input) const;

    // The keys and values of all cross-attentions for a text context [rows, 1, tokens, context_width]; none where the
    // UNet is unconditional.
    std::vector<CrossAttentionKeys> keys(ops::Ops& ops, const ops::Map& context) const;

    // What does not change over a picture: the timestep's embedding [1, 1, 1, levels[0].channels]; the guidance scale's
    // [1, 1, 1, guidance_width] and what addition() gave, each without a tensor where the UNet takes none.
    struct Conditioning {
        ops::Map timestep, guidance, addition;
    };

    // latents [batch, h, w, in_channels] -> noise [batch, h, w, out_channels]. `batch` is a multiple of the rows of
    // keys and addition: picture i of conditioning r stands at r * (batch / rows) + i.
    ops::Map forward(ops::Ops& ops, const ops::Map& latents, const Conditioning& conditioning,
                     const std::vector<CrossAttentionKeys>& keys, const Perturbation& perturbed = {},
                     const std::vector<ops::Map>& residuals = {}) const;

    // What a ControlNet's half makes of latents and a hint [1, h, w, levels[0].channels] that is added to its first
    // map: the maps of the way down, from the finest on, then the middle's. `residuals` of forward() are added to
    // those.
    std::vector<ops::Map> maps(ops::Ops& ops, const ops::Map& latents, const ops::Map& hint,
                               const Conditioning& conditioning, const std::vector<CrossAttentionKeys>& keys) const;

  private:
    // One of the two, or neither.
    struct Attention {
        std::optional<Transformer2d> transformer;
        std::optional<AttentionBlock> self;

        ops::Map forward(ops::Ops& ops, const ops::Map& x, const CrossAttentionKeys*& keys,
                         Perturbation::Kind perturbed) const;
    };
    struct Layer {
        ResnetBlock resnet;
        Attention attention;

        ops::Map forward(ops::Ops& ops, const ops::Map& x, const TimeEmbedding& time, const CrossAttentionKeys*& keys,
                         Perturbation::Kind perturbed) const {
            return attention.forward(ops, resnet.forward(ops, x, &time), keys, perturbed);
        }
    };
    struct Level {
        std::vector<Layer> layers;
        std::optional<ops::Conv> resample;  // to the next level
    };

    Attention declare_attention(weights::WeightStore& store, const std::string& name, int64_t channels, int64_t heads,
                                int64_t blocks) const;
    void declare_middle(weights::WeightStore& store);
    std::vector<ops::Map> way_down(ops::Ops& ops, const ops::Map& first, const TimeEmbedding& time,
                                   const CrossAttentionKeys*& next_keys, const Perturbation& perturbed) const;
    TimeEmbedding embed_time(ops::Ops& ops, const Conditioning& conditioning) const;
    Layer declare_layer(weights::WeightStore& store, const std::string& block, int64_t index, int64_t in,
                        const UNetLevel& level, int64_t attention_blocks) const;

    UNetConfig config_;
    ops::Linear time1_, time2_;
    ops::Linear guidance_, addition1_, addition2_;  // weights null where the UNet takes none
    ops::Conv conv_in_, conv_out_;
    std::vector<Level> down_, up_;     // both in the order of computation
    std::vector<ResnetBlock> middle_;  // none, one, or two around the attention
    Attention mid_attention_;
    ops::Norm norm_out_;
};

}  // namespace nd::models
