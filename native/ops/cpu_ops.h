// The words on a CPU: channels-last maps (ggml `ne = {channels, width, height, batch}`) and our own kernels as graph
// nodes.
#pragma once

#include "native/backend/graph.h"
#include "native/ops/ops.h"

namespace nd::ops {

class CpuOps final : public Ops {
  public:
    explicit CpuOps(backend::Graph& graph) : graph_(graph) {}

    Map input(int64_t batch, int64_t height, int64_t width, int64_t channels) override;
    void output(const Map& map) override { graph_.output(map.tensor); }
    void write(const Map& map, const float* planes) const override;
    void read(const Map& map, float* planes) const override;

    Map linear(const Map& x, const Linear& layer, const Map* residual) override;
    Map conv2d(const Map& x, const Conv& layer, const ConvSpec& spec, const Map* residual, const Map* bias) override;
    Map group_norm(const Map& x, const Norm& norm, bool silu) override;
    Map layer_norm(const Map& x, const Norm& norm) override;
    Map attention(const Map& q, const Map& k, const Map& v, const AttentionSpec& spec) override;
    Map activation(const Map& x, Activation kind) override;
    Map geglu(const Map& x) override;
    Map concat(const Map& a, const Map& b) override;
    Map embed(ggml_tensor* ids, int64_t batch, ggml_tensor* tokens, ggml_tensor* positions) override;

  private:
    backend::Graph& graph_;
};

}  // namespace nd::ops
