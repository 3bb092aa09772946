// One attention task: a chunk of one head's queries against all of its keys, a block of keys at a time, with the
// softmax rescaled as larger scores appear (FlashAttention, arXiv 2205.14135).
#pragma once

#include <cstdint>
#include <cstring>

#include "native/kernels/attention/attention.h"
#include "native/kernels/attention/tile.h"
#include "native/kernels/attention/variants.h"
#include "native/kernels/scratch.h"
#include "native/kernels/simd/bf16.h"
#include "native/kernels/simd/math.h"

namespace nd::kernels {

// T is what rows are made of: float, or uint16_t for bf16.
template <class V, class T>
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
        const AttentionChunk chunk = attention_chunk(args, plan_, task);
        first_ = chunk.first, queries_ = chunk.queries;
        tiles_ = (queries_ + kLanes - 1) / kLanes;
        q_ = static_cast<const T*>(args.q) + chunk.q;
        k_ = static_cast<const T*>(args.k) + chunk.k;
        v_ = static_cast<const T*>(args.v) + chunk.v;
        out_ = static_cast<T*>(args.out) + chunk.out;
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

    // The first n <= W values at p, with zeros behind them.
    static ND_INLINE V load(const float* p, int64_t n) { return n == W ? V::load(p) : V::load(p, n, 0.0f); }
    static ND_INLINE V load(const uint16_t* p, int64_t n) {
        return n == W ? V::load_bf16(p) : V::load_bf16(p, n, 0.0f);
    }
    static ND_INLINE void store(V x, float* p, int64_t n) { n == W ? x.store(p) : x.store(p, n); }
    static ND_INLINE void store(V x, uint16_t* p, int64_t n) { n == W ? x.store_bf16(p) : x.store_bf16(p, n); }

    static void copy(const float* from, int64_t n, float* to) {
        std::memcpy(to, from, static_cast<size_t>(n) * sizeof(float));
    }
    static void copy(const uint16_t* from, int64_t n, float* to) {
        for (int64_t j = 0; j < n; ++j) to[j] = from_bf16(from[j]);
    }

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
            const T* row[W];
            for (int i = 0; i < W; ++i)
                row[i] = q_ + smaller(tile * kLanes + half * W + i, queries_ - 1) * args_.q_stride;
            for (int64_t j = 0; j < d_; j += W) {
                const int64_t n = smaller(W, d_ - j);
                V r[W];
                for (int i = 0; i < W; ++i) r[i] = load(row[i] + j, n);
                V::transpose(r);
                float* out = packed_q_ + (tile * d_ + j) * kLanes + half * W;
                for (int64_t i = 0; i < n; ++i) (r[i] * factor).store(out + i * kLanes);
            }
        }
    }

    // Keys close together, with zero rows up to a full tile; values likewise, with zero dimensions.
    void load_keys(int64_t k0, int64_t keys) {
        for (int64_t i = 0; i < keys; ++i) {
            copy(k_ + (k0 + i) * args_.k_stride, d_, packed_k_ + i * stride_);
            copy(v_ + (k0 + i) * args_.v_stride, d_, packed_v_ + i * stride_);
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
                for (int64_t i = 0; i < rows; ++i) store(r[i], out_ + (query + i) * args_.out_stride + j, n);
            }
        }
    }

    const AttentionArgs& args_;
    const AttentionPlan plan_;
    const int64_t d_;
    int64_t first_, queries_, tiles_, padded_, stride_;
    const T *q_, *k_, *v_;
    T* out_;
    float *packed_q_ = nullptr, *packed_k_ = nullptr, *packed_v_ = nullptr, *scores_ = nullptr;
    float *sums_ = nullptr, *largest_ = nullptr, *total_ = nullptr;
};

template <class V>
void run_attention(const AttentionArgs& args, int64_t task) {
    if (args.format == Format::bf16) {
        AttentionTask<V, uint16_t>(args, task).run();
    } else {
        AttentionTask<V, float>(args, task).run();
    }
}

}  // namespace nd::kernels
