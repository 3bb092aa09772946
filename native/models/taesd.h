// The tiny autoencoder (TAESD, O. B. Bohan, 2023; diffusers' AutoencoderTiny): latents to pixels and back by a few
// plain convolutions, for previews or in place of the VAE.
#pragma once

#include <optional>
#include <vector>

#include "native/models/layers.h"

namespace nd::models {

struct TaesdConfig {
    int64_t latent_channels = 4, image_channels = 3;
    int64_t downscale = 8;
    float scaling_factor = 1, shift_factor = 0;  // it knows the UNet's own scale
    bool encodes = false, decodes = false;
};

// Throws as the functions of config.h do.
TaesdConfig detect_taesd(const weights::ModelFile& file);

// One side of it: layers in a row.
class Taesd {
  public:
    enum class Side { encoder, decoder };
    Taesd(Side side, const weights::ModelFile& file, weights::WeightStore& store);

    // The encoder's pixels in 0..1 [batch, H, W, 3] -> latents [batch, H / f, W / f, channels], or the decoder's
    // bounded latents -> pixels in 0..1.
    ops::Map forward(ops::Ops& ops, const ops::Map& x) const;

    // What the decoder takes in place of a latent: nothing beyond -3..3.
    static float bounded(float latent);

  private:
    struct Layer {
        std::vector<ops::Conv> convs;  // one, or the three of a residual block
        ops::Conv skip;                // weight null where a block's widths agree
        bool upsamples = false;
    };

    Side side_;
    std::vector<Layer> layers_;
};

}  // namespace nd::models
