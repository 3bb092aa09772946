// attention_task() for bf16 rows with AVX512-BF16: task.h's way with pairs of values in each lane.
#include "native/kernels/attention/variants.h"

#if ND_X86

#include <cstring>

#include "native/kernels/attention/tile_bf16.h"
#include "native/kernels/scratch.h"
#include "native/kernels/simd/math.h"

namespace nd::kernels::avx512bf16 {

namespace {

constexpr float kLowest = -3.4e38f;

uint32_t* words(Scratch purpose, int64_t count) {
    return reinterpret_cast<uint32_t*>(scratch(purpose, static_cast<size_t>(count)));
}

// The first n values at p, at most 32, with zeros behind them.
ND_INLINE __m512i load(const uint16_t* p, int64_t n) {
    return n >= 32 ? _mm512_loadu_si512(p) : _mm512_maskz_loadu_epi16((__mmask32{1} << n) - 1, p);
}

class Task {
  public:
    Task(const AttentionArgs& args, int64_t task)
        : args_(args),
          plan_(attention_plan(args)),
          d_(args.head_dim),
          pairs_((d_ + 1) / 2),
          factor_((args.scale < 0 ? -args.scale : args.scale) * 1.44269504f * Powers::kSteps) {
        const AttentionChunk chunk = attention_chunk(args, plan_, task);
        first_ = chunk.first, queries_ = chunk.queries;
        tiles_ = (queries_ + kLanes - 1) / kLanes;
        q_ = static_cast<const uint16_t*>(args.q) + chunk.q;
        k_ = static_cast<const uint16_t*>(args.k) + chunk.k;
        v_ = static_cast<const uint16_t*>(args.v) + chunk.v;
        out_ = static_cast<uint16_t*>(args.out) + chunk.out;
        rows_ = 8;
        for (int64_t rows = 10; rows <= 12; rows += 2) {
            if (up(d_, rows) <= up(d_, rows_)) rows_ = rows;
        }
        padded_ = up(d_, rows_);
        k_stride_ = odd_lines(pairs_), v_stride_ = odd_lines(padded_);
    }

    void run() {
        allocate();
        for (int64_t tile = 0; tile < tiles_; ++tile) load_queries(tile);
        for (int64_t k0 = 0; k0 < args_.k_tokens; k0 += plan_.keys) {
            const int64_t keys = smaller(plan_.keys, args_.k_tokens - k0);
            if (args_.causal && k0 >= first_ + queries_) break;
            load_keys(k0, keys);
            load_values(k0, keys);
            for (int64_t tile = 0; tile < tiles_; ++tile) {
                if (args_.causal && k0 >= first_ + (tile + 1) * kLanes) continue;
                attend(tile, k0, keys);
            }
        }
        for (int64_t tile = 0; tile < tiles_; ++tile) store(tile);
    }

  private:
    static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
    static int64_t larger(int64_t a, int64_t b) { return a < b ? b : a; }
    static int64_t up(int64_t n, int64_t step) { return (n + step - 1) / step * step; }
    // An odd number of cache lines from row to row: else many rows would compete for few places in the cache.
    static int64_t odd_lines(int64_t n) { return ((n + 15) / 16 | 1) * 16; }

    void allocate() {
        const int64_t lanes = tiles_ * kLanes;
        packed_q_ = words(Scratch::queries, lanes * pairs_);
        packed_k_ = words(Scratch::keys, (plan_.keys + kKeyRows) * k_stride_);
        packed_v_ = words(Scratch::values, (plan_.keys + 1) / 2 * v_stride_);
        scores_ = scratch(Scratch::scores, static_cast<size_t>((plan_.keys + kKeyRows) * kLanes));
        weights_ = words(Scratch::rows, (plan_.keys + kKeyRows) / 2 * kLanes);
        sums_ = scratch(Scratch::outputs, static_cast<size_t>(lanes * (padded_ + 3)));
        std::memset(sums_, 0, static_cast<size_t>(lanes * padded_) * sizeof(float));
        largest_ = sums_ + lanes * padded_, total_ = largest_ + lanes, norms_ = total_ + lanes;
        for (int64_t i = 0; i < lanes; ++i) largest_[i] = kLowest, total_[i] = norms_[i] = 0;
    }

    // [pair of dimensions][query] of a tile. Missing queries repeat the last.
    void load_queries(int64_t tile) {
        const __m512i sign = _mm512_set1_epi16(args_.scale < 0 ? int16_t(-0x8000) : int16_t(0));
        for (int64_t lane = tile * kLanes; lane < (tile + 1) * kLanes; lane += kWidth) {
            const uint16_t* row[kWidth];
            for (int i = 0; i < kWidth; ++i) row[i] = q_ + smaller(lane + i, queries_ - 1) * args_.q_stride;
            __m512 norm = _mm512_setzero_ps();
            for (int64_t j = 0; j < pairs_; j += kWidth) {
                F32x16 r[kWidth];
                for (int i = 0; i < kWidth; ++i) r[i].v = _mm512_castsi512_ps(load(row[i] + 2 * j, d_ - 2 * j));
                F32x16::transpose(r);
                uint32_t* out = packed_q_ + (tile * pairs_ + j) * kLanes + lane % kLanes;
                for (int64_t i = 0, n = smaller(kWidth, pairs_ - j); i < n; ++i) {
                    const __m512i x = _mm512_castps_si512(r[i].v);
                    norm = dot(norm, x, x);
                    _mm512_store_si512(out + i * kLanes, _mm512_xor_si512(x, sign));
                }
            }
            _mm512_store_ps(norms_ + lane, norm);
        }
    }

    // Keys close together, with zero rows up to a full tile, and the square of the longest.
    void load_keys(int64_t k0, int64_t keys) {
        longest_ = 0;
        for (int64_t i = 0; i < keys; ++i) {
            const uint16_t* row = k_ + (k0 + i) * args_.k_stride;
            uint32_t* out = packed_k_ + i * k_stride_;
            __m512 squares = _mm512_setzero_ps();
            for (int64_t j = 0; j < d_; j += 32) {
                const __m512i x = load(row + j, d_ - j);
                _mm512_store_si512(out + j / 2, x);
                squares = dot(squares, x, x);
            }
            const float norm = _mm512_reduce_add_ps(squares);
            longest_ = longest_ < norm ? norm : longest_;
            unreal_ += norm * 0.0f;
        }
        std::memset(packed_k_ + keys * k_stride_, 0, static_cast<size_t>(kKeyRows * k_stride_) * sizeof(uint32_t));
    }

    // [pair of keys][dimension], with zeros for missing keys and dimensions.
    void load_values(int64_t k0, int64_t keys) {
        alignas(64) uint16_t order[2][32];
        for (int i = 0; i < 64; ++i) order[i / 32][i % 32] = static_cast<uint16_t>(i / 2 + i % 2 * 32);
        const __m512i low = _mm512_load_si512(order[0]), high = _mm512_load_si512(order[1]);
        for (int64_t i = 0; i < keys; i += 2) {
            const uint16_t* even = v_ + (k0 + i) * args_.v_stride;
            const uint16_t* odd = even + args_.v_stride;
            uint32_t* out = packed_v_ + i / 2 * v_stride_;
            for (int64_t j = 0; j < padded_; j += 32) {
                const int64_t n = larger(d_ - j, 0);
                const __m512i a = load(even + j, n), b = i + 1 < keys ? load(odd + j, n) : _mm512_setzero_si512();
                _mm512_store_si512(out + j, _mm512_permutex2var_epi16(a, low, b));
                if (j + kWidth < padded_) _mm512_store_si512(out + j + kWidth, _mm512_permutex2var_epi16(a, high, b));
            }
        }
    }

    void attend(int64_t tile, int64_t k0, int64_t keys) {
        const uint32_t* q = packed_q_ + tile * pairs_ * kLanes;
        const int64_t lane = tile * kLanes, hidden = args_.causal ? k0 + keys - 1 - (first_ + lane) : 0;
        if (small(tile, k0)) {
            for (int64_t i = 0; i < keys; i += kKeyRows)
                weight_tile(packed_k_ + i * k_stride_, pairs_, k_stride_, q, factor_, weights_ + i / 2 * kLanes);
        } else {
            for (int64_t i = 0; i < keys; i += kKeyRows)
                score_tile(packed_k_ + i * k_stride_, pairs_, k_stride_, q, scores_ + i * kLanes);
            if (hidden > 0) hide_scores(first_ + lane - k0, keys);
            raise(tile, keys);
            soften(scores_, (keys + 1) / 2, largest_ + lane, factor_, weights_);
        }
        if (hidden > 0) hide_weights(first_ + lane - k0, keys);
        const int64_t pairs = (keys + 1) / 2;
        if (keys % 2 != 0) {
            for (int64_t i = 0; i < kLanes; ++i) weights_[(pairs - 1) * kLanes + i] &= 0xffff;
        }
        add_weights(weights_, pairs, total_ + lane);
        float* sums = sums_ + lane * padded_;
        if (rows_ == 12) return add_values<12>(pairs, sums);
        if (rows_ == 10) return add_values<10>(pairs, sums);
        add_values<8>(pairs, sums);
    }

    // Whether 2^score may be the weight itself, since no score of the tile, by Cauchy's inequality, is beyond
    // kSmall: then its weights sum up neither to infinity nor to nothing. Once larger, always taken for larger.
    bool small(int64_t tile, int64_t k0) {
        constexpr float kSmall = 80;
        if (large_ >> tile & 1) return false;
        const float unit = factor_ / Powers::kSteps;
        const __m512 key = _mm512_set1_ps(longest_ * unit * unit), limit = _mm512_set1_ps(kSmall * kSmall);
        const __m512 a = _mm512_mul_ps(_mm512_load_ps(norms_ + tile * kLanes), key);
        const __m512 b = _mm512_mul_ps(_mm512_load_ps(norms_ + tile * kLanes + kWidth), key);
        // Not numbers are not below a limit either.
        if (_mm512_cmp_ps_mask(a, limit, _CMP_LT_OQ) == 0xffff && _mm512_cmp_ps_mask(b, limit, _CMP_LT_OQ) == 0xffff)
            return true;
        large_ |= uint64_t{1} << tile;
        for (int64_t i = 0; k0 > 0 && i < kLanes; ++i) largest_[tile * kLanes + i] = 0;  // what weights stand for
        return false;
    }

    // Where a score exceeds the one that weights are relative to by 2^6, makes them relative to that.
    void raise(int64_t tile, int64_t keys) {
        const __m512 unit = _mm512_set1_ps(factor_ / Powers::kSteps);
        for (int64_t lane = tile * kLanes; lane < (tile + 1) * kLanes; lane += kWidth) {
            const float* scores = scores_ + lane % kLanes;
            const __m512 before = _mm512_load_ps(largest_ + lane);
            __m512 now = before;
            for (int64_t i = 0; i < keys; ++i) now = _mm512_max_ps(now, _mm512_load_ps(scores + i * kLanes));
            const __m512 growth = _mm512_mul_ps(_mm512_sub_ps(now, before), unit);
            if (!_mm512_cmp_ps_mask(growth, _mm512_set1_ps(6.0f), _CMP_GT_OQ)) continue;
            _mm512_store_ps(largest_ + lane, now);
            const __m512 factor = exp2(F32x16{_mm512_sub_ps(_mm512_setzero_ps(), growth)}).v;
            _mm512_store_ps(total_ + lane, _mm512_mul_ps(_mm512_load_ps(total_ + lane), factor));
            float* sums = sums_ + tile * kLanes * padded_ + lane % kLanes;
            for (int64_t j = 0; j < d_; ++j, sums += kLanes)
                _mm512_store_ps(sums, _mm512_mul_ps(_mm512_load_ps(sums), factor));
        }
    }

    // Key i of a block lies in the future of query `lane` where i > past + lane.
    void hide_scores(int64_t past, int64_t keys) {
        for (int64_t i = larger(past, 0); i < keys; ++i) {
            for (int64_t lane = 0; lane < kLanes && past + lane < i; ++lane) scores_[i * kLanes + lane] = kLowest;
        }
    }

    void hide_weights(int64_t past, int64_t keys) {
        for (int64_t i = larger(past, 0); i < keys; ++i) {
            const uint32_t other = i % 2 == 0 ? 0xffff0000u : 0xffffu;
            for (int64_t lane = 0; lane < kLanes && past + lane < i; ++lane) weights_[i / 2 * kLanes + lane] &= other;
        }
    }

    template <int R>
    void add_values(int64_t pairs, float* sums) const {
        for (int64_t j = 0; j < padded_; j += R)
            value_tile<R>(packed_v_ + j, v_stride_, weights_, pairs, sums + j * kLanes);
    }

    void store(int64_t tile) {
        alignas(64) uint16_t order[32];
        for (int i = 0; i < 32; ++i) order[i] = static_cast<uint16_t>(i / 2 + i % 2 * 16);
        const __m512i interleave = _mm512_load_si512(order);
        for (int64_t lane = tile * kLanes; lane < (tile + 1) * kLanes; lane += kWidth) {
            const int64_t rows = smaller(kWidth, queries_ - lane);
            if (rows <= 0) break;
            // Queries and keys that are not finite would leave no trace in the weights: they do here.
            const __m512 unreal =
                _mm512_fmadd_ps(_mm512_load_ps(norms_ + lane), _mm512_setzero_ps(), _mm512_set1_ps(unreal_));
            const __m512 inverse =
                _mm512_div_ps(_mm512_set1_ps(1.0f), _mm512_add_ps(_mm512_load_ps(total_ + lane), unreal));
            const float* sums = sums_ + tile * kLanes * padded_ + lane % kLanes;
            for (int64_t j = 0; j < pairs_; j += kWidth) {
                F32x16 r[kWidth];
                for (int64_t i = 0; i < kWidth; ++i) {
                    const float* sum = sums + 2 * (j + i) * kLanes;
                    if (j + i >= pairs_) {
                        r[i] = F32x16::zero();
                        continue;
                    }
                    const __m512 even = _mm512_mul_ps(_mm512_load_ps(sum), inverse);
                    const __m512 odd = _mm512_mul_ps(_mm512_load_ps(sum + kLanes), inverse);
                    const __m512i both = as_bits(_mm512_cvtne2ps_pbh(odd, even));
                    r[i].v = _mm512_castsi512_ps(_mm512_permutexvar_epi16(interleave, both));
                }
                F32x16::transpose(r);
                const int64_t n = smaller(32, d_ - 2 * j);
                const __mmask32 mask = n == 32 ? ~__mmask32{0} : (__mmask32{1} << n) - 1;
                for (int64_t i = 0; i < rows; ++i)
                    _mm512_mask_storeu_epi16(out_ + (lane + i) * args_.out_stride + 2 * j, mask,
                                             _mm512_castps_si512(r[i].v));
            }
        }
    }

    const AttentionArgs& args_;
    const AttentionPlan plan_;
    const int64_t d_, pairs_;  // dimensions and pairs of them
    const float factor_;       // from a product of query and key to an exponent in Powers' units
    int64_t first_, queries_, tiles_, rows_, padded_;  // rows_: dimensions of a value tile
    int64_t k_stride_, v_stride_;
    const uint16_t *q_, *k_, *v_;
    uint16_t* out_;
    uint32_t *packed_q_ = nullptr, *packed_k_ = nullptr, *packed_v_ = nullptr, *weights_ = nullptr;
    float *scores_ = nullptr, *sums_ = nullptr, *largest_ = nullptr, *total_ = nullptr, *norms_ = nullptr;
    float longest_ = 0;   // the largest square of a key's norm in the block
    float unreal_ = 0;    // NaN once a key is not finite
    uint64_t large_ = 0;  // the tiles whose scores are not small, a bit each
};

}  // namespace

void attention_task(const AttentionArgs& args, int64_t task) {
    Task(args, task).run();
}

}  // namespace nd::kernels::avx512bf16

#endif
