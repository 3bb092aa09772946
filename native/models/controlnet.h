// What a ControlNet (arXiv 2302.05543; diffusers' ControlNetModel) has beside the half of a UNet that it is a copy of:
// the hint's embedding, and the convolutions, zero when training began, through which its maps reach the UNet.
#pragma once

#include <vector>

#include "native/models/config.h"
#include "native/models/layers.h"

namespace nd::models {

struct ControlNetConfig {
    std::vector<int64_t> hint_channels;  // from the picture's size on, each level half as large
    bool hint_is_bgr = false;
    std::vector<int64_t> map_channels;  // of the UNet's maps on its way down, then of its middle
    int64_t downscale() const { return int64_t{1} << (hint_channels.size() - 1); }
};

// Throws as the functions of config.h do. `unet` is what detect_unet() tells of the file.
ControlNetConfig detect_control_net(const weights::ModelFile& file, const UNetConfig& unet);

class ControlNet {
  public:
    ControlNet(const ControlNetConfig& config, const UNetConfig& unet, weights::WeightStore& store);

    // pixels in 0..1 [1, H, W, 3] -> what is added to the first map [1, H / f, W / f, channels].
    ops::Map embed_hint(ops::Ops& ops, const ops::Map& pixels) const;

    // The UNet half's maps, each through its convolution.
    std::vector<ops::Map> residuals(ops::Ops& ops, const std::vector<ops::Map>& maps) const;

  private:
    std::vector<ops::Conv> hint_;  // the second, fourth ... of those between the first and the last halve the size
    std::vector<ops::Conv> outputs_;
};

}  // namespace nd::models
