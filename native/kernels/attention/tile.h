// The innermost loops of attention. Queries lie in the lanes: two vectors of queries, and rows that are keys (for the
// scores) or dimensions (for the outputs), so that a head's dimension need not be a multiple of a vector.
#pragma once

#include <cstdint>

#include "native/kernels/simd/config.h"

namespace nd::kernels {

// scores[r][query] = sum over j < d of keys[r * stride + j] * queries[j][query], for R keys.
template <class V, int R>
ND_NOINLINE void score_tile(const float* keys, int64_t d, int64_t stride, const float* queries, float* scores) {
    constexpr int W = V::width;
    V sum[R][2];
    const float* row[R];
    ND_UNROLL
    for (int r = 0; r < R; ++r) sum[r][0] = sum[r][1] = V::zero(), row[r] = keys + r * stride;
    for (int64_t j = 0; j < d; ++j, queries += 2 * W) {
        const V q0 = V::load(queries), q1 = V::load(queries + W);
        ND_UNROLL
        for (int r = 0; r < R; ++r) {
            const V k = V::set(row[r][j]);
            sum[r][0] = V::fma(k, q0, sum[r][0]);
            sum[r][1] = V::fma(k, q1, sum[r][1]);
        }
    }
    ND_UNROLL
    for (int r = 0; r < R; ++r) sum[r][0].store(scores + r * 2 * W), sum[r][1].store(scores + r * 2 * W + W);
}

// out[r][query] += sum over keys j of values[j * stride + r] * weights[j][query], for R dimensions.
template <class V, int R>
ND_NOINLINE void value_tile(const float* values, int64_t stride, const float* weights, int64_t keys, float* out) {
    constexpr int W = V::width;
    V sum[R][2];
    ND_UNROLL
    for (int r = 0; r < R; ++r) sum[r][0] = V::load(out + r * 2 * W), sum[r][1] = V::load(out + r * 2 * W + W);
    for (int64_t j = 0; j < keys; ++j, weights += 2 * W, values += stride) {
        const V p0 = V::load(weights), p1 = V::load(weights + W);
        ND_UNROLL
        for (int r = 0; r < R; ++r) {
            const V v = V::set(values[r]);
            sum[r][0] = V::fma(v, p0, sum[r][0]);
            sum[r][1] = V::fma(v, p1, sum[r][1]);
        }
    }
    ND_UNROLL
    for (int r = 0; r < R; ++r) sum[r][0].store(out + r * 2 * W), sum[r][1].store(out + r * 2 * W + W);
}

}  // namespace nd::kernels
