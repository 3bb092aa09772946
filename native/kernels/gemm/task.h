// One GEMM task: a panel of 64 output channels over a chunk of pixels.
#pragma once

#include <cstdint>
#include <cstring>

#include "native/kernels/gemm/gate.h"
#include "native/kernels/gemm/panel.h"
#include "native/kernels/gemm/plan.h"
#include "native/kernels/gemm/taps.h"
#include "native/kernels/gemm/tile.h"
#include "native/kernels/scratch.h"
#include "native/kernels/simd/math.h"

namespace nd::kernels {

template <class V>
class GemmTask {
  public:
    static constexpr int W = V::width;
    // Vectors of a column group: as many as keep the accumulators, the weights and a pixel in registers.
    static constexpr int kVectors = V::registers >= 32 ? 4 : 2;
    static constexpr int64_t kGroup = kVectors * W;
    static constexpr int kGroups = kPanel / kGroup;

    GemmTask(const GemmArgs& args, int64_t task)
        : args_(args),
          taps_(args.geometry),
          plan_(gemm_plan(args)),
          x_(static_cast<const float*>(args.x)),
          residual_(static_cast<const float*>(args.residual)),
          y_(static_cast<float*>(args.y)),
          column0_(task / plan_.chunks * kPanel) {
        columns_ = smaller(kPanel, places_of(args.weights.n, args.gated) - column0_);
        pixel0_ = task % plan_.chunks * plan_.chunk;
        pixel1_ = smaller(plan_.pixels, pixel0_ + plan_.chunk);
        y_columns_ = columns_of(args, column0_, columns_);
        copy_bias(args, column0_, columns_, bias_);
    }

    void run() {
        panel_ = scratch(Scratch::panel, static_cast<size_t>(kPanel * plan_.block));
        if (args_.gated)
            sums_ = scratch(Scratch::sums, static_cast<size_t>((whole() ? kTileRows : plan_.chunk) * kPanel));
        for (int64_t k0 = 0; k0 < plan_.k; k0 += plan_.block) {
            count_ = smaller(plan_.block, plan_.k - k0);
            first_ = k0 == 0, last_ = k0 + count_ == plan_.k;
            pack(k0);
            taps_.cut(args_.weights.c, k0, count_);
            for (int64_t pixel = pixel0_; pixel < pixel1_; pixel += kTileRows) tile(pixel);
        }
    }

  private:
    static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

    // All of k in one block.
    bool whole() const { return plan_.block >= plan_.k; }

    int64_t vectors(int group) const {
        const int64_t left = columns_ - group * kGroup;
        return left <= 0 ? 0 : smaller(kVectors, (left + W - 1) / W);
    }

    void pack(int64_t k0) {
        const PanelPacker<V> packer{args_.weights, k0, count_};
        for (int group = 0; group < kGroups; ++group) {
            const int64_t n = vectors(group);
            for (int64_t i = 0; i < n; ++i) {
                const int64_t column = group * kGroup + i * W;
                const Run run = run_at(column0_ + column, W, args_.weights.n, args_.gated);
                packer.pack(run.row, run.count, panel_ + group * kGroup * count_ + i * W, n * W);
            }
        }
    }

    void tile(int64_t pixel) {
        prefetch(pixel + kTileRows);
        const float* x[kMaxTaps * kTileRows];
        int64_t row[kTileRows];
        for (int r = 0; r < kTileRows; ++r) {
            row[r] = smaller(pixel + r, pixel1_ - 1);
            gather(row[r], x + r);
        }
        for (int group = 0; group < kGroups; ++group) {
            const int n = static_cast<int>(vectors(group));
            if (n > 0) columns(group, n, x, row);
        }
        if (args_.gated && last_) gate(pixel);
    }

    // What is added to: y, or the sums that a gate needs of values and gates.
    float* target(int64_t row, int r) {
        if (!args_.gated) return y_ + row * args_.y_stride + column0_;
        return sums_ + (whole() ? r : row - pixel0_) * kPanel;
    }

    // y = values * gelu(gates) of a tile.
    ND_NOINLINE void gate(int64_t pixel) {
        for (int r = 0; r < kTileRows && pixel + r < pixel1_; ++r) {
            const float* sums = target(pixel + r, r);
            float* y = y_ + (pixel + r) * args_.y_stride + y_columns_.first;
            for (int64_t j = 0; j < y_columns_.count; j += W) {
                const float* value = sums + j / kGateRun * (2 * kGateRun) + j % kGateRun;
                (V::load(value) * gelu(V::load(value + kGateRun))).store(y + j, smaller(W, y_columns_.count - j));
            }
        }
    }

    // Rows of y lie far apart and are touched once in a long while: fetched one tile ahead, they cost no waiting.
    void prefetch(int64_t pixel) const {
        for (int64_t row = pixel; row < pixel + kTileRows && row < pixel1_; ++row) {
            const int64_t at = row * args_.y_stride + y_columns_.first;
            for (int64_t column = 0; column < y_columns_.count; column += 16) {
                ND_PREFETCH(y_ + at + column);
                if (first_ && residual_) ND_PREFETCH(residual_ + at + column);
            }
        }
    }

    // The input pixel under each segment's tap, or zeros.
    void gather(int64_t pixel, const float** x) const {
        taps_.locate(pixel, [&](int64_t segment, int64_t input, int64_t channel) {
            x[segment * kTileRows] = input < 0 ? zeros() : x_ + input * args_.x_stride + channel;
        });
    }

    // One column group of a tile. Groups that end inside a vector go through a copy.
    void columns(int group, int n, const float* const* x, const int64_t* row) {
        const int64_t column = group * kGroup, width = smaller(n * W, columns_ - column);
        const float* start[kTileRows];
        float* y[kTileRows];
        for (int r = 0; r < kTileRows; ++r) {
            y[r] = target(row[r], r) + column;
            start[r] = !first_ ? y[r] : residual_ ? residual_ + (y[r] - y_) : zeros();
        }
        const float* panel = panel_ + column * count_;
        // Of a linear layer's whole rows the next tile's are the next in memory.
        const bool linear = taps_.segments() == 1 && count_ == plan_.k && args_.x_stride == count_ && group == 0;
        const char* last = reinterpret_cast<const char*>(x[kTileRows - 1]);
        const Ahead ahead = linear && row[kTileRows - 1] + kTileRows < pixel1_
                                ? Ahead{last + count_ * sizeof(float), kTileRows * sizeof(float)}
                                : Ahead{last, 0};
        const float* bias = first_ ? bias_ + column : zeros();
        if (width == n * W)
            return gemm_tile_of<V, kVectors>(n, x, taps_.counts(), taps_.segments(), panel, bias, start, y, ahead);

        alignas(64) float copy[kTileRows][kGroup] = {};
        float* copies[kTileRows];
        for (int r = 0; r < kTileRows; ++r) {
            std::memcpy(copy[r], start[r], width * sizeof(float));
            start[r] = copies[r] = copy[r];
        }
        gemm_tile_of<V, kVectors>(n, x, taps_.counts(), taps_.segments(), panel, bias, start, copies, ahead);
        for (int r = 0; r < kTileRows; ++r) std::memcpy(y[r], copy[r], width * sizeof(float));
    }

    const GemmArgs& args_;
    Taps taps_;
    const GemmPlan plan_;
    const float *x_, *residual_;
    float* y_;
    int64_t column0_, columns_ = 0, pixel0_ = 0, pixel1_ = 0;
    Columns y_columns_;
    float* panel_ = nullptr;
    int64_t count_ = 0;
    bool first_ = true, last_ = true;
    float* sums_ = nullptr;
    alignas(64) float bias_[kPanel] = {};
};

}  // namespace nd::kernels
