// The spatial transformer of latent diffusion's UNet (arXiv 2112.10752): self-attention, cross-attention to the text,
// GEGLU.
#pragma once

#include <string>
#include <vector>

#include "native/models/layers.h"
#include "native/models/perturbation.h"

namespace nd::models {

// The text's keys and values for one transformer block: they do not change between steps.
struct CrossAttentionKeys {
    ops::Map keys, values;
};

struct TransformerBlock {
    ops::Norm norm1, norm2, norm3;
    ops::Linear q1, k1, v1, out1;
    ops::Linear q2, k2, v2, out2;
    ops::Linear ff_in, ff_out;
};

struct Transformer2d {
    ops::Norm norm_in;
    ops::Linear proj_in, proj_out;  // stored as 1x1 convolutions in SD 1, as linear layers in SD 2: the same thing
    std::vector<TransformerBlock> blocks;
    int64_t heads = 1;

    static Transformer2d declare(weights::WeightStore& store, const std::string& name, int64_t channels,
                                 int64_t context_width, int64_t heads, int64_t block_count, int64_t groups);

    // Appends the keys and values of each block, in the order in which forward() takes them.
    void append_keys(ops::Ops& ops, const ops::Map& context, std::vector<CrossAttentionKeys>& keys) const;

    // `keys` points at this transformer's first entry and is moved past its last.
    ops::Map forward(ops::Ops& ops, const ops::Map& x, const CrossAttentionKeys*& keys,
                     Perturbation::Kind perturbed = Perturbation::Kind::none) const;
};

}  // namespace nd::models
