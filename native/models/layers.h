// Layers declared from a model file: each checks that its tensors are there and have the right shape.
#pragma once

#include <string>

#include "native/ops/ops.h"
#include "native/weights/weight_store.h"

namespace nd::models {

inline ops::Linear linear(weights::WeightStore& store, const std::string& name, int64_t in, int64_t out,
                          bool bias = true) {
    return {store.matrix(name + ".weight", out, in), bias ? store.vector(name + ".bias", out) : nullptr, in, out};
}

// The layer of a GEGLU: `out` values, then their gates.
inline ops::Linear gated_linear(weights::WeightStore& store, const std::string& name, int64_t in, int64_t out) {
    return {store.gated_matrix(name + ".weight", 2 * out, in), store.vector(name + ".bias", 2 * out), in, 2 * out};
}

inline ops::Conv conv(weights::WeightStore& store, const std::string& name, int64_t in, int64_t out, int kernel = 3,
                      bool bias = true) {
    return {store.convolution(name + ".weight", out, in, kernel), bias ? store.vector(name + ".bias", out) : nullptr,
            in, out, kernel};
}

inline ops::Norm norm(weights::WeightStore& store, const std::string& name, int64_t channels, float eps,
                      int64_t groups = 1) {
    return {store.vector(name + ".weight", channels), store.vector(name + ".bias", channels), eps, groups};
}

}  // namespace nd::models
