// The words in ggml's own operations, for devices that its backends run: GPUs.
//
// A map is channels-last, `ne = {channels, width, height, batch}`, or planes, `ne = {width, height, channels, batch}`,
// as the word that made it has it: products give the first and take it, group norms and the columns of a convolution
// want the second. Each is turned into the other where a reader asks, once for all readers. Inputs and outputs are
// channels-last, as on the CPU.
#pragma once

#include <map>
#include <unordered_set>

#include "native/backend/device_graph.h"
#include "native/ops/ops.h"

namespace nd::ops {

class GgmlOps final : public Ops {
  public:
    // `exact`: attention is computed in f32, at the price of a matrix of scores, where that is not too large.
    GgmlOps(backend::DeviceGraph& graph, bool exact) : graph_(graph), exact_(exact) {}

    Map input(int64_t batch, int64_t height, int64_t width, int64_t channels) override;
    void output(const Map& map) override;
    void write(const Map& map, const float* planes) const override;
    void read(const Map& map, float* planes) const override;

    Map linear(const Map& x, const Linear& layer, const Map* residual) override;
    Map conv2d(const Map& x, const Conv& layer, const ConvSpec& spec, const Map* residual, const Map* bias) override;
    Map group_norm(const Map& x, const Norm& norm, bool silu, bool last) override;
    Map layer_norm(const Map& x, const Norm& norm) override;
    Map attention(const Map& q, const Map& k, const Map& v, const AttentionSpec& spec) override;
    Map activation(const Map& x, Activation kind) override;
    Map geglu(const Map& x, const Linear& layer) override;
    Map add(const Map& a, const Map& b, float scale) override;
    Map concat(const Map& a, const Map& b) override;
    Map add_rows(const Map& x, const Map& rows, bool last) override;
    Map embed(ggml_tensor* ids, int64_t batch, ggml_tensor* tokens, ggml_tensor* positions,
              ggml_tensor* extra) override;

    // Which formats a device multiplies is its own business: all are counted as f32.
    const std::array<double, 3>& operations() const override { return operations_; }

  private:
    ggml_context* context() const { return graph_.context(); }
    bool is_planes(const ggml_tensor* tensor) const { return planes_.contains(tensor); }
    ggml_tensor* as_last(const Map& x) { return is_planes(x.tensor) ? turned(x.tensor, false) : x.tensor; }
    ggml_tensor* as_planes(const Map& x) { return is_planes(x.tensor) ? x.tensor : turned(x.tensor, true); }
    ggml_tensor* turned(ggml_tensor* tensor, bool to_planes);
    // A word's result, of the map's extents.
    Map done(Map map, ggml_tensor* tensor, bool is_planes);
    // w [rows of weights] times the vectors of x, {in, n} -> {out, n}.
    ggml_tensor* multiply(ggml_tensor* weight, ggml_tensor* x);
    ggml_tensor* columns(const Map& x, const Conv& layer, const ConvSpec& spec, Map& y);
    ggml_tensor* with_scores(ggml_tensor* q, ggml_tensor* k, ggml_tensor* v, float scale, bool causal) const;
    ggml_tensor* without_scores(ggml_tensor* q, ggml_tensor* k, ggml_tensor* v, float scale) const;

    backend::DeviceGraph& graph_;
    bool exact_;
    std::unordered_set<const ggml_tensor*> planes_;
    std::map<ggml_tensor*, ggml_tensor*> turned_;
    std::array<double, 3> operations_{};
};

}  // namespace nd::ops
