// One attention task: a chunk of one head's queries against all of its keys, a block of keys at a time, with the
// softmax rescaled as larger scores appear (FlashAttention, arXiv 2205.14135).
#pragma once

#include <cstdint>
#include <cstring>

#include "native/kernels/attention/attention.h"
#include "native/kernels/attention/tile.h"
#include "native/kernels/attention/variants.h"
#include "native/kernels/scratch.h"
#include "native/kernels/simd/math.h"

namespace nd::kernels {

template <class V>
class AttentionTask {
  public:
    static constexpr int W = V::width;
    static constexpr int kLanes = 2 * W;  // queries of a tile
    // Rows of a register tile: keys; dimensions where they divide the head's; dimensions elsewhere.
    static constexpr int kKeyRows = V::registers >= 32 ? 8 : 6;
    static constexpr int kDimRows = V::registers >= 32 ? 10 : 5;
    static constexpr int kOtherDimRows = V::registers >= 32 ? 8 : 4;

    AttentionTask(const AttentionArgs& args, int64_t task)
        : args_(args), plan_(attention_plan(args)), d_(args.head_dim) {
        const int64_t head = task / plan_.chunks, b = head / args.heads, column = head % args.heads * d_;
        first_ = task % plan_.chunks * plan_.chunk;
        queries_ = smaller(plan_.chunk, args.q_tokens - first_);
        tiles_ = (queries_ + kLanes - 1) / kLanes;
        const int64_t row = b * args.q_tokens + first_, key_row = b / args.queries_per_key * args.k_tokens;
        q_ = args.q + row * args.q_stride + column;
        out_ = args.out + row * args.out_stride + column;
        k_ = args.k + key_row * args.k_stride + column;
        v_ = args.v + key_row * args.v_stride + column;
        padded_ = d_ % kDimRows == 0 ? d_ : (d_ + kOtherDimRows - 1) / kOtherDimRows * kOtherDimRows;
        // An odd number of cache lines from row to row: else many rows would compete for few places in the cache.
        stride_ = ((padded_ + 15) / 16 | 1) * 16;
    }

    void run() {
        allocate();
        for (int64_t tile = 0; tile < tiles_; ++tile) load_queries(tile);
        for (int64_t k0 = 0; k0 < args_.k_tokens; k0 += plan_.keys) {
            const int64_t keys = smaller(plan_.keys, args_.k_tokens - k0);
            if (args_.causal && k0 >= first_ + queries_) break;
            load_keys(k0, keys);
            for (int64_t tile = 0; tile < tiles_; ++tile) {
                if (args_.causal && k0 >= first_ + (tile + 1) * kLanes) continue;
                attend(tile, k0, keys);
            }
        }
        for (int64_t tile = 0; tile < tiles_; ++tile) store(tile);
    }

  private:
    static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

    void allocate() {
        const int64_t lanes = tiles_ * kLanes;
        packed_q_ = scratch(Scratch::queries, static_cast<size_t>(lanes * d_));
        packed_k_ = scratch(Scratch::keys, static_cast<size_t>((plan_.keys + kKeyRows) * stride_));
        packed_v_ = scratch(Scratch::values, static_cast<size_t>(plan_.keys * stride_));
        scores_ = scratch(Scratch::scores, static_cast<size_t>((plan_.keys + kKeyRows) * kLanes));
        sums_ = scratch(Scratch::outputs, static_cast<size_t>(lanes * (padded_ + 2)));
        std::memset(sums_, 0, static_cast<size_t>(lanes * padded_) * sizeof(float));
        largest_ = sums_ + lanes * padded_;
        total_ = largest_ + lanes;
        for (int64_t i = 0; i < lanes; ++i) largest_[i] = -3.4e38f, total_[i] = 0;
    }

    // [dimension][query] of a tile, times scale / ln 2: scores then are exponents of 2. Missing queries repeat the
    // last.
    void load_queries(int64_t tile) {
        const V factor = V::set(args_.scale * 1.44269504f);
        for (int half = 0; half < 2; ++half) {
            const float* row[W];
            for (int i = 0; i < W; ++i)
                row[i] = q_ + smaller(tile * kLanes + half * W + i, queries_ - 1) * args_.q_stride;
            for (int64_t j = 0; j < d_; j += W) {
                const int64_t n = smaller(W, d_ - j);
                V r[W];
                for (int i = 0; i < W; ++i) r[i] = n == W ? V::load(row[i] + j) : V::load(row[i] + j, n, 0.0f);
                V::transpose(r);
                float* out = packed_q_ + (tile * d_ + j) * kLanes + half * W;
                for (int64_t i = 0; i < n; ++i) (r[i] * factor).store(out + i * kLanes);
            }
        }
    }

    // Keys close together, with zero rows up to a full tile; values likewise, with zero dimensions.
    void load_keys(int64_t k0, int64_t keys) {
        for (int64_t i = 0; i < keys; ++i) {
            std::memcpy(packed_k_ + i * stride_, k_ + (k0 + i) * args_.k_stride, d_ * sizeof(float));
            std::memcpy(packed_v_ + i * stride_, v_ + (k0 + i) * args_.v_stride, d_ * sizeof(float));
            for (int64_t j = d_; j < padded_; ++j) packed_v_[i * stride_ + j] = 0;
        }
        std::memset(packed_k_ + keys * stride_, 0, static_cast<size_t>(kKeyRows * stride_) * sizeof(float));
    }

    void attend(int64_t tile, int64_t k0, int64_t keys) {
        const float* q = packed_q_ + tile * d_ * kLanes;
        for (int64_t i = 0; i < keys; i += kKeyRows)
            score_tile<V, kKeyRows>(packed_k_ + i * stride_, d_, stride_, q, scores_ + i * kLanes);
        const int64_t first = first_ + tile * kLanes;
        if (args_.causal && k0 + keys - 1 > first) hide_future(first, k0, keys);

        float* sums = sums_ + tile * padded_ * kLanes;
        for (int half = 0; half < 2; ++half) {
            const int64_t lane = half * W;
            const V factor =
                soften(scores_ + lane, keys, largest_ + tile * kLanes + lane, total_ + tile * kLanes + lane);
            if (k0 > 0) {
                for (int64_t j = 0; j < d_; ++j)
                    (V::load(sums + j * kLanes + lane) * factor).store(sums + j * kLanes + lane);
            }
        }
        if (d_ % kDimRows == 0) {
            add_values<kDimRows>(keys, sums);
        } else {
            add_values<kOtherDimRows>(keys, sums);
        }
    }

    template <int R>
    void add_values(int64_t keys, float* sums) const {
        for (int64_t j = 0; j < padded_; j += R)
            value_tile<V, R>(packed_v_ + j, stride_, scores_, keys, sums + j * kLanes);
    }

    void hide_future(int64_t first, int64_t k0, int64_t keys) {
        for (int64_t i = 0; i < keys; ++i) {
            for (int64_t lane = 0; lane < kLanes && first + lane < k0 + i; ++lane)
                scores_[i * kLanes + lane] = -3.4e38f;
        }
    }

    // Scores of W queries become weights 2^(score - largest); returns what earlier weights must be multiplied by.
    static ND_NOINLINE V soften(float* scores, int64_t keys, float* largest, float* total) {
        const V before = V::load(largest);
        V a = before, b = before;
        int64_t i = 0;
        for (; i + 2 <= keys; i += 2) {
            a = V::max(a, V::load(scores + i * kLanes));
            b = V::max(b, V::load(scores + (i + 1) * kLanes));
        }
        if (i < keys) a = V::max(a, V::load(scores + i * kLanes));
        const V now = V::max(a, b), factor = exp2(before - now);
        now.store(largest);
        V s = V::load(total) * factor, t = V::zero();
        for (i = 0; i + 2 <= keys; i += 2) {
            const V p = exp2(V::load(scores + i * kLanes) - now), r = exp2(V::load(scores + (i + 1) * kLanes) - now);
            p.store(scores + i * kLanes);
            r.store(scores + (i + 1) * kLanes);
            s = s + p;
            t = t + r;
        }
        if (i < keys) {
            const V p = exp2(V::load(scores + i * kLanes) - now);
            p.store(scores + i * kLanes);
            s = s + p;
        }
        (s + t).store(total);
        return factor;
    }

    void store(int64_t tile) {
        const float* sums = sums_ + tile * padded_ * kLanes;
        for (int half = 0; half < 2; ++half) {
            const int64_t lane = half * W, query = tile * kLanes + lane, rows = smaller(W, queries_ - query);
            const V inverse = V::set(1.0f) / V::load(total_ + query);
            for (int64_t j = 0; rows > 0 && j < d_; j += W) {
                const int64_t n = smaller(W, d_ - j);
                V r[W];
                for (int i = 0; i < W; ++i)
                    r[i] = i < n ? V::load(sums + (j + i) * kLanes + lane) * inverse : V::zero();
                V::transpose(r);
                for (int64_t i = 0; i < rows; ++i) {
                    float* out = out_ + (query + i) * args_.out_stride + j;
                    if (n == W)
                        r[i].store(out);
                    else
                        r[i].store(out, n);
                }
            }
        }
    }

    const AttentionArgs& args_;
    const AttentionPlan plan_;
    const int64_t d_;
    int64_t first_, queries_, tiles_, padded_, stride_;
    const float *q_, *k_, *v_;
    float* out_;
    float *packed_q_ = nullptr, *packed_k_ = nullptr, *packed_v_ = nullptr, *scores_ = nullptr;
    float *sums_ = nullptr, *largest_ = nullptr, *total_ = nullptr;
};

}  // namespace nd::kernels
