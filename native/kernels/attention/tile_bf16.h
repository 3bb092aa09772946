// The innermost loops of attention in bf16, on AVX512-BF16: tile.h's tiles with two values in each lane, and weights
// that are made where the scores are, in registers. Only attention_avx512bf16.cc may include this.
#pragma once

#include <cstdint>

#include "native/kernels/simd/bf16x32.h"
#include "native/kernels/simd/f32x16.h"

namespace nd::kernels::avx512bf16 {

constexpr int kWidth = 16, kLanes = 2 * kWidth;  // queries of a vector and of a tile
constexpr int kKeyRows = 8;                      // keys of a tile

// Products of pairs of bf16, added to f32 sums: Intel's VDPBF16PS.
ND_INLINE __m512 dot(__m512 sum, __m512i a, __m512i b) {
    return _mm512_dpbf16_ps(sum, as_bf16(a), as_bf16(b));
}

struct alignas(64) Table {
    int16_t at[64];
};

// f - (2^f - 1) in units of 1/256, between multiples of 1/64, less a half for the bit that Powers drops.
constexpr Table excess_table() {
    constexpr double kRoot = 1.0027112750502024854;  // 2^(1/256)
    Table table{};
    double power = 1;
    for (int i = 0; i < 64; ++i) {
        double sum = 0;
        for (int f = 4 * i; f < 4 * i + 4; ++f, power *= kRoot) sum += f - 256 * (power - 1) - 0.5;
        table.at[i] = static_cast<int16_t>(static_cast<int>(sum / 4 + 1.5) - 1);  // to the nearest
    }
    return table;
}

// Even lanes from one vector, odd lanes from another.
constexpr Table pairs_table() {
    Table table{};
    for (int i = 0; i < 32; ++i) table.at[i] = static_cast<int16_t>(i / 2 * 2 + i % 2 * 32);
    return table;
}

inline constexpr Table kExcess = excess_table();
inline constexpr Table kPairs = pairs_table();

// 2^x in bf16 for pairs of x, by table: x is taken as a number with 8 bits behind the point, e.f, which read as a bf16
// is 2^e (1 + f), up to 6 % too large. What to subtract depends on f, and is near enough constant between multiples of
// 1/64. The relative error is 2e-3 (root mean square; rounding to bf16 alone makes 1.7e-3). Its mean cancels: the
// divisor is the sum of the weights as they are made here.
class Powers {
  public:
    static constexpr float kSteps = 256.0f;  // in 1

    ND_INLINE Powers()
        : low_(_mm512_load_si512(kExcess.at)),
          high_(_mm512_load_si512(kExcess.at + 32)),
          pairs_(_mm512_load_si512(kPairs.at)) {}

    // Scores times `factor` (kSteps times the exponent's unit) as numbers that of() takes; exponents of -126 to 127.
    static ND_INLINE __m512 fixed(__m512 score, __m512 factor) {
        return _mm512_fmadd_ps(score, factor, _mm512_set1_ps(kZero));
    }
    // The same where exponents may be smaller: they become -126.
    static ND_INLINE __m512 fixed_from_below(__m512 score, __m512 factor) {
        return _mm512_max_ps(_mm512_set1_ps(kZero - 126 * kSteps), fixed(score, factor));
    }

    // Pairs of weights, those of `even` in the lower halves.
    ND_INLINE __m512i of(__m512 even, __m512 odd) const {
        const __m512i x = _mm512_permutex2var_epi16(_mm512_castps_si512(even), pairs_, _mm512_castps_si512(odd));
        const __m512i excess = _mm512_permutex2var_epi16(low_, _mm512_srli_epi16(x, 2), high_);
        return _mm512_srli_epi16(_mm512_sub_epi16(x, excess), 1);
    }

  private:
    // The integer in a float's low bits (1.5 * 2^23) that stands for an exponent of 0: bf16's bias is 127.
    static constexpr float kZero = 12582912.0f + 127 * kSteps;

    const __m512i low_, high_, pairs_;
};

// sum[r][query] = sum over pairs j of keys[r * stride + j] * queries[j][query], for R keys.
template <int R>
ND_INLINE void multiply(const uint32_t* keys, int64_t pairs, int64_t stride, const uint32_t* queries,
                        __m512 (&sum)[R][2]) {
    const uint32_t* row[R];
    ND_UNROLL
    for (int r = 0; r < R; ++r) sum[r][0] = sum[r][1] = _mm512_setzero_ps(), row[r] = keys + r * stride;
    for (int64_t j = 0; j < pairs; ++j, queries += kLanes) {
        const __m512i q0 = _mm512_load_si512(queries), q1 = _mm512_load_si512(queries + kWidth);
        ND_UNROLL
        for (int r = 0; r < R; ++r) {
            const __m512i k = _mm512_set1_epi32(static_cast<int>(row[r][j]));
            sum[r][0] = dot(sum[r][0], k, q0);
            sum[r][1] = dot(sum[r][1], k, q1);
        }
    }
}

// weights[pair of keys][query] = 2^(score * factor / kSteps), for scores that are known to be small.
static ND_NOINLINE void weight_tile(const uint32_t* keys, int64_t pairs, int64_t stride, const uint32_t* queries,
                                    float factor, uint32_t* weights) {
    __m512 sum[kKeyRows][2];
    multiply(keys, pairs, stride, queries, sum);
    const Powers powers;
    const __m512 f = _mm512_set1_ps(factor);
    ND_UNROLL
    for (int r = 0; r < kKeyRows; r += 2, weights += kLanes) {
        ND_UNROLL
        for (int h = 0; h < 2; ++h)
            _mm512_store_si512(weights + h * kWidth,
                               powers.of(Powers::fixed(sum[r][h], f), Powers::fixed(sum[r + 1][h], f)));
    }
}

// scores[key][query], for scores of any size.
static ND_NOINLINE void score_tile(const uint32_t* keys, int64_t pairs, int64_t stride, const uint32_t* queries,
                                   float* scores) {
    __m512 sum[kKeyRows][2];
    multiply(keys, pairs, stride, queries, sum);
    ND_UNROLL
    for (int r = 0; r < kKeyRows; ++r, scores += kLanes) {
        _mm512_store_ps(scores, sum[r][0]);
        _mm512_store_ps(scores + kWidth, sum[r][1]);
    }
}

// weights[pair of keys][query] = 2^((score - largest[query]) * factor / kSteps), or 2^-126 where that is less.
static ND_NOINLINE void soften(const float* scores, int64_t pairs, const float* largest, float factor,
                               uint32_t* weights) {
    const Powers powers;
    const __m512 f = _mm512_set1_ps(factor);
    for (int h = 0; h < 2; ++h) {
        const __m512 offset = _mm512_load_ps(largest + h * kWidth);
        const float* s = scores + h * kWidth;
        uint32_t* w = weights + h * kWidth;
        for (int64_t i = 0; i < pairs; ++i, s += 2 * kLanes, w += kLanes) {
            const __m512 even = _mm512_sub_ps(_mm512_load_ps(s), offset);
            const __m512 odd = _mm512_sub_ps(_mm512_load_ps(s + kLanes), offset);
            _mm512_store_si512(w, powers.of(Powers::fixed_from_below(even, f), Powers::fixed_from_below(odd, f)));
        }
    }
}

// total[query] += the weights of all keys.
static ND_NOINLINE void add_weights(const uint32_t* weights, int64_t pairs, float* total) {
    constexpr int kChains = 4;
    const __m512i ones = _mm512_set1_epi32(0x3f803f80);
    __m512 sum[kChains][2];
    ND_UNROLL
    for (int c = 0; c < kChains; ++c) sum[c][0] = sum[c][1] = _mm512_setzero_ps();
    int64_t i = 0;
    for (; i + kChains <= pairs; i += kChains) {
        ND_UNROLL
        for (int c = 0; c < kChains; ++c, weights += kLanes) {
            sum[c][0] = dot(sum[c][0], _mm512_load_si512(weights), ones);
            sum[c][1] = dot(sum[c][1], _mm512_load_si512(weights + kWidth), ones);
        }
    }
    for (; i < pairs; ++i, weights += kLanes) {
        sum[0][0] = dot(sum[0][0], _mm512_load_si512(weights), ones);
        sum[0][1] = dot(sum[0][1], _mm512_load_si512(weights + kWidth), ones);
    }
    for (int h = 0; h < 2; ++h) {
        const __m512 all = _mm512_add_ps(_mm512_add_ps(sum[0][h], sum[1][h]), _mm512_add_ps(sum[2][h], sum[3][h]));
        _mm512_store_ps(total + h * kWidth, _mm512_add_ps(_mm512_load_ps(total + h * kWidth), all));
    }
}

// out[r][query] += sum over pairs j of keys of values[j * stride + r] * weights[j][query], for R dimensions.
template <int R>
ND_NOINLINE void value_tile(const uint32_t* values, int64_t stride, const uint32_t* weights, int64_t pairs,
                            float* out) {
    __m512 sum[R][2];
    ND_UNROLL
    for (int r = 0; r < R; ++r)
        sum[r][0] = _mm512_load_ps(out + r * kLanes), sum[r][1] = _mm512_load_ps(out + r * kLanes + kWidth);
    for (int64_t j = 0; j < pairs; ++j, weights += kLanes, values += stride) {
        const __m512i p0 = _mm512_load_si512(weights), p1 = _mm512_load_si512(weights + kWidth);
        ND_UNROLL
        for (int r = 0; r < R; ++r) {
            const __m512i v = _mm512_set1_epi32(static_cast<int>(values[r]));
            sum[r][0] = dot(sum[r][0], v, p0);
            sum[r][1] = dot(sum[r][1], v, p1);
        }
    }
    ND_UNROLL
    for (int r = 0; r < R; ++r)
        _mm512_store_ps(out + r * kLanes, sum[r][0]), _mm512_store_ps(out + r * kLanes + kWidth, sum[r][1]);
}

}  // namespace nd::kernels::avx512bf16
