// The KL-regularised autoencoder of latent diffusion (arXiv 2112.10752; diffusers' AutoencoderKL): pixels to latents
// and back.
#pragma once

#include <optional>
#include <vector>

#include "native/models/attention_block.h"
#include "native/models/config.h"
#include "native/models/resnet_block.h"

namespace nd::models {

// The middle of encoder and decoder: a residual block, attention with one head over all pixels, a residual block.
struct VaeMiddle {
    ResnetBlock resnet1, resnet2;
    std::optional<AttentionBlock> attention;

    static VaeMiddle declare(weights::WeightStore& store, const std::string& name, int64_t channels,
                             const VaeConfig& config);
    ops::Map forward(ops::Ops& ops, ops::Map x) const;
};

class VaeDecoder {
  public:
    VaeDecoder(const VaeConfig& config, weights::WeightStore& store);

    // latents [batch, h, w, latent_channels], already divided by the scaling factor -> pixels in -1..1 [batch, h * f, w
    // * f, 3].
    ops::Map forward(ops::Ops& ops, const ops::Map& latents) const;

  private:
    struct Level {
        std::vector<ResnetBlock> resnets;
        std::optional<ops::Conv> upsample;
    };

    std::optional<ops::Conv> post_quant_;
    ops::Conv conv_in_, conv_out_;
    VaeMiddle middle_;
    std::vector<Level> levels_;
    ops::Norm norm_out_;
};

class VaeEncoder {
  public:
    VaeEncoder(const VaeConfig& config, weights::WeightStore& store);

    // pixels in -1..1 [batch, H, W, 3] -> the moments of the latents' distribution [batch, H / f, W / f, 2 *
    // latent_channels]: means first, then log variances; not yet multiplied by the scaling factor.
    ops::Map forward(ops::Ops& ops, const ops::Map& pixels) const;

  private:
    struct Level {
        std::vector<ResnetBlock> resnets;
        std::optional<ops::Conv> downsample;
    };

    std::optional<ops::Conv> quant_;
    ops::Conv conv_in_, conv_out_;
    VaeMiddle middle_;
    std::vector<Level> levels_;
    ops::Norm norm_out_;
};

}  // namespace nd::models
