// The innermost loops over packed weights: six pixels times a few vectors of output channels, held in AVX-512
// registers.
#pragma once

#include <cstdint>

#include "native/kernels/gemm/packing.h"
#include "native/kernels/simd/config.h"
#include "native/kernels/simd/f32x16.h"

namespace nd::kernels {

// Adds the products of `groups` groups of six pixels to sums. Always inlined into a function that does nothing else, so
// that the compiler keeps the sums in registers.
template <class Dot, int N>
ND_INLINE void add_products(typename Dot::Sum (&sum)[kTileRows][N], const char* const* x, int64_t groups,
                            const char*& panel) {
    const char* const row[kTileRows] = {x[0], x[1], x[2], x[3], x[4], x[5]};
    for (int64_t k = 0; k < groups; ++k, panel += N * 64) {
        __m512i w[N];
        ND_UNROLL
        for (int n = 0; n < N; ++n) w[n] = _mm512_loadu_si512(panel + n * 64);
        ND_UNROLL
        for (int r = 0; r < kTileRows; ++r) {
            const __m512i a = _mm512_set1_epi32(*reinterpret_cast<const int32_t*>(row[r] + k * int64_t(kGroupBytes)));
            ND_UNROLL
            for (int n = 0; n < N; ++n) sum[r][n] = Dot::add(sum[r][n], a, w[n]);
        }
    }
}

// sums[row][64] += (or = where `fresh`) the products of all segments; x holds six row pointers a segment, counts its
// groups.
template <class Dot, int N>
ND_NOINLINE void packed_tile(const char* const* x, const int64_t* counts, int64_t segments, const char* panel,
                             bool fresh, float* sums) {
    __m512 sum[kTileRows][N];
    ND_UNROLL
    for (int r = 0; r < kTileRows; ++r) {
        ND_UNROLL
        for (int n = 0; n < N; ++n)
            sum[r][n] = fresh ? _mm512_setzero_ps() : _mm512_loadu_ps(sums + r * kPanel + n * 16);
    }
    for (int64_t s = 0; s < segments; ++s, x += kTileRows) add_products<Dot, N>(sum, x, counts[s], panel);
    ND_UNROLL
    for (int r = 0; r < kTileRows; ++r) {
        ND_UNROLL
        for (int n = 0; n < N; ++n) _mm512_storeu_ps(sums + r * kPanel + n * 16, sum[r][n]);
    }
}

// out[row][64] = start[channel] + the products of one segment, as integers.
template <class Dot, int N>
ND_NOINLINE void packed_integer_tile(const char* const* x, int64_t groups, const char* panel, const int32_t* start,
                                     int32_t* out) {
    __m512i sum[kTileRows][N];
    ND_UNROLL
    for (int r = 0; r < kTileRows; ++r) {
        ND_UNROLL
        for (int n = 0; n < N; ++n) sum[r][n] = _mm512_loadu_si512(start + n * 16);
    }
    add_products<Dot, N>(sum, x, groups, panel);
    ND_UNROLL
    for (int r = 0; r < kTileRows; ++r) {
        ND_UNROLL
        for (int n = 0; n < N; ++n) _mm512_storeu_si512(out + r * kPanel + n * 16, sum[r][n]);
    }
}

// sums[row][channel] += (or =) whole[row][channel] * scale of the row.
template <int N>
ND_NOINLINE void add_scaled(const int32_t* whole, const float* scales, bool fresh, float* sums) {
    ND_UNROLL
    for (int r = 0; r < kTileRows; ++r) {
        const __m512 scale = _mm512_set1_ps(scales[r]);
        ND_UNROLL
        for (int n = 0; n < N; ++n) {
            float* at = sums + r * kPanel + n * 16;
            const __m512 before = fresh ? _mm512_setzero_ps() : _mm512_loadu_ps(at);
            const __m512 value = _mm512_cvtepi32_ps(_mm512_loadu_si512(whole + r * kPanel + n * 16));
            _mm512_storeu_ps(at, _mm512_fmadd_ps(value, scale, before));
        }
    }
}

}  // namespace nd::kernels
