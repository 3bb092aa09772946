// The upscaler of ESRGAN (arXiv 1809.00219) and Real-ESRGAN (2107.10833): residual-in-residual dense blocks, then
// nearest-neighbour upsampling and convolutions.
#pragma once

#include <vector>

#include "native/models/layers.h"

namespace nd::models {

struct RrdbConfig {
    int64_t blocks = 0, features = 64, growth = 32;
    int64_t unshuffle =
        1;  // so many pixels of a side go into the channels of one first (2 and 4 in Real-ESRGAN's x2, x1)
    int64_t upsamplings = 2;
    // What the network multiplies its own input's sides with, and what the picture's become.
    int64_t enlarges() const { return int64_t{1} << upsamplings; }
    int64_t scale() const { return enlarges() / unshuffle; }
};

// Throws as the functions of config.h do.
RrdbConfig detect_rrdb(const weights::ModelFile& file);

class Rrdb {
  public:
    Rrdb(const RrdbConfig& config, weights::WeightStore& store);

    // pixels in 0..1, unshuffled [batch, h, w, 3 * unshuffle^2] -> [batch, h * enlarges, w * enlarges, 3].
    ops::Map forward(ops::Ops& ops, const ops::Map& pixels) const;

  private:
    using DenseBlock = std::vector<ops::Conv>;  // five: each sees what came in and what those before it made

    ops::Map forward_dense(ops::Ops& ops, const ops::Map& x, const DenseBlock& block) const;

    ops::Conv conv_first_, conv_body_, conv_hr_, conv_last_;
    std::vector<std::vector<DenseBlock>> blocks_;  // three dense blocks each
    std::vector<ops::Conv> ups_;
};

}  // namespace nd::models
