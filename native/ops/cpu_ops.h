// The words on a CPU: channels-last maps (ggml `ne = {channels, width, height, batch}`) and our own kernels as graph
// nodes.
#pragma once

#include <map>
#include <utility>

#include "native/backend/graph.h"
#include "native/kernels/gemm/gemm.h"
#include "native/ops/ops.h"

namespace nd::ops {

// The formats in which a network passes its maps on, where their reader does not want another: `stream` for the sums
// along its residual connections, `inner` for what feeds attention and gates.
struct Formats {
    kernels::Format stream = kernels::Format::f32;
    kernels::Format inner = kernels::Format::f32;

    // For a network of packed weights: bf16 where this CPU multiplies it, with half the memory and half the traffic of
    // f32. `exact_stream` keeps the stream f32, to which every block adds.
    static Formats packed(bool exact_stream);
};

class CpuOps final : public Ops {
  public:
    CpuOps(backend::Graph& graph, Formats formats) : graph_(graph), formats_(formats) {}

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

    const std::array<double, 3>& operations() const override { return operations_; }

  private:
    using Format = kernels::Format;

    // x in a format that a kernel reads: as it is, by telling the kernel that makes it, or through a conversion.
    ggml_tensor* as(const Map& x, Format wanted);
    // x as f32 or bf16, whatever it is.
    ggml_tensor* as_numbers(const Map& x);
    // Notes that a map which nobody has read yet can still be made in other formats.
    Map open(const Map& map, bool also_i8);
    // y is made in `y_format` unless a reader asks for another; rows of weights know f32 alone.
    Map multiply(kernels::GemmArgs args, const Map& x, ggml_tensor* weight, ggml_tensor* bias, const Map* residual,
                 Map y, Format y_format);
    static kernels::GemmArgs linear_args(const Map& x, const Linear& layer);
    void count(kernels::Format format, double operations) { operations_[static_cast<size_t>(format)] += operations; }

    backend::Graph& graph_;
    Formats formats_;
    std::array<double, 3> operations_{};
    std::map<ggml_tensor*, bool> open_;                                  // and whether i8 is one of its formats
    std::map<std::pair<ggml_tensor*, Format>, ggml_tensor*> converted_;  // so that three readers share one conversion
};

}  // namespace nd::ops
