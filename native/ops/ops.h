// The words that models are written in. A model says what is computed; the words decide how, in the layout that their
// device wants.
#pragma once

#include <ggml.h>

#include <array>
#include <cstdint>
#include <map>
#include <optional>

#include "native/kernels/pointwise/pointwise.h"

namespace nd::ops {

// Feature maps [batch, height, width, channels], or tokens as maps of height 1. The layout in memory is the device's
// business.
struct Map {
    ggml_tensor* tensor = nullptr;
    int64_t batch = 1, height = 1, width = 1, channels = 0;

    int64_t pixels() const { return height * width; }
    int64_t size() const { return batch * pixels() * channels; }
    bool is_like(const Map& other) const {
        return batch == other.batch && height == other.height && width == other.width && channels == other.channels;
    }
};

// Layers are weights alone; the word that applies one is a function of Ops.
struct Linear {
    ggml_tensor* weight = nullptr;
    ggml_tensor* bias = nullptr;
    int64_t in = 0, out = 0;
};

struct Conv {
    ggml_tensor* weight = nullptr;
    ggml_tensor* bias = nullptr;
    int64_t in = 0, out = 0;
    int kernel = 3;
};

// What runs beside a layer whose weights stay as they are: up(down(x)) is added to what it gives (arXiv 2106.09685).
// Convolutions have one on the CPU alone: on a device they are never in blocks, and what changes them is merged.
struct LowRank {
    ggml_tensor* down = nullptr;  // f32 [rank][taps * in], the values [taps][in]
    ggml_tensor* up = nullptr;    // f32 [out][rank]
    int64_t rank = 0;
};
using LowRanks = std::map<const ggml_tensor*, LowRank>;  // by the layer's weight

struct Norm {
    ggml_tensor* gamma = nullptr;
    ggml_tensor* beta = nullptr;
    float eps = 1e-5f;
    int64_t groups = 1;  // of a group norm
};

using kernels::Activation;

struct ConvSpec {
    int stride = 1;
    int pad = -1;  // -1: "same", kernel / 2 on every side
    bool pad_bottom_right =
        false;  // pads one row below and one column at the right only (the VAE encoder's downsampling)
    // Nearest-neighbour upsampling by two before the convolution, to this size (2 h or 2 h - 1).
    struct Size {
        int64_t height, width;
    };
    std::optional<Size> upsample_to = std::nullopt;
};

struct AttentionSpec {
    int64_t heads = 1;
    bool causal = false;
    int64_t queries_per_key = 1;  // so many consecutive rows of queries share one row of keys
};

class Ops {
  public:
    virtual ~Ops() = default;

    // A map that is written before a run and keeps its contents, and one that can be read after it. On the host side
    // maps are planes, f32 [batch, channels, height, width].
    virtual Map input(int64_t batch, int64_t height, int64_t width, int64_t channels) = 0;
    virtual void output(const Map& map) = 0;
    virtual void write(const Map& map, const float* planes) const = 0;
    virtual void read(const Map& map, float* planes) const = 0;

    // y = x W^T + b, + residual.
    virtual Map linear(const Map& x, const Linear& layer, const Map* residual = nullptr) = 0;
    // `bias` replaces the layer's own (a residual block adds the timestep to it).
    virtual Map conv2d(const Map& x, const Conv& layer, const ConvSpec& spec = {}, const Map* residual = nullptr,
                       const Map* bias = nullptr) = 0;
    // `last`: nobody reads x after this word, so that its memory can be taken over.
    virtual Map group_norm(const Map& x, const Norm& norm, bool silu, bool last = false) = 0;
    virtual Map layer_norm(const Map& x, const Norm& norm) = 0;
    virtual Map attention(const Map& q, const Map& k, const Map& v, const AttentionSpec& spec) = 0;
    virtual Map activation(const Map& x, Activation kind) = 0;
    // y = value * gelu(gate), the halves of a gated layer's x W^T + b (arXiv 2002.05202): out / 2 channels.
    virtual Map geglu(const Map& x, const Linear& layer) = 0;
    // scale * a + b, where b is of a's batch or one map for all of it.
    virtual Map add(const Map& a, const Map& b, float scale = 1.0f) = 0;
    virtual Map concat(const Map& a, const Map& b) = 0;
    // x plus one pixel of `rows` [rows, 1, 1, channels] at all its pixels: x.batch / rows maps that follow each other
    // take the same one. `last` as in group_norm.
    virtual Map add_rows(const Map& x, const Map& rows, bool last = false) = 0;
    // Token plus position: ids is int32 [batch * length], positions [length, channels] -> [batch, 1, length, channels].
    // Ids from the number of tokens on are rows of `extra`, f32, where it is given.
    virtual Map embed(ggml_tensor* ids, int64_t batch, ggml_tensor* tokens, ggml_tensor* positions,
                      ggml_tensor* extra = nullptr) = 0;

    // Operations of the graph's products, two a multiply-add, by the format of what is multiplied: f32, bf16, int8.
    // Convolutions are counted by their definition, however they are computed.
    virtual const std::array<double, 3>& operations() const = 0;

    // Layers that the words apply with a low-rank change; `layers` must outlive the graph.
    void set_low_ranks(const LowRanks& layers) { low_ranks_ = &layers; }

  protected:
    const LowRank* low_rank_of(const ggml_tensor* weight) const {  // or null
        if (low_ranks_ == nullptr) return nullptr;
        const auto found = low_ranks_->find(weight);
        return found == low_ranks_->end() ? nullptr : &found->second;
    }

  private:
    const LowRanks* low_ranks_ = nullptr;
};

}  // namespace nd::ops
