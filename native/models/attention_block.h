// Self-attention over all pixels of a map with a residual around it, as VAE and unconditional UNet have it.
#pragma once

#include <string>

#include "native/models/layers.h"
#include "native/models/perturbation.h"

namespace nd::models {

struct AttentionBlock {
    ops::Norm norm;
    ops::Linear q, k, v, out;
    int64_t heads = 1;

    static AttentionBlock declare(weights::WeightStore& store, const std::string& name, int64_t channels, int64_t heads,
                                  int64_t groups, float eps) {
        return {
            .norm = models::norm(store, name + ".group_norm", channels, eps, groups),
            .q = linear(store, name + ".to_q", channels, channels),
            .k = linear(store, name + ".to_k", channels, channels),
            .v = linear(store, name + ".to_v", channels, channels),
            .out = linear(store, name + ".to_out.0", channels, channels),
            .heads = heads,
        };
    }

    ops::Map forward(ops::Ops& ops, const ops::Map& x, Perturbation::Kind perturbed = Perturbation::Kind::none) const {
        if (perturbed == Perturbation::Kind::skip) return x;
        const ops::Map y = ops.group_norm(x, norm, false);
        const ops::Map values = ops.linear(y, v);
        if (perturbed == Perturbation::Kind::identity) return ops.linear(values, out, &x);
        const ops::Map attended = ops.attention(ops.linear(y, q), ops.linear(y, k), values, {.heads = heads});
        return ops.linear(attended, out, &x);
    }
};

}  // namespace nd::models
