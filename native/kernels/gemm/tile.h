// The innermost loops: six pixels times a few vectors of output channels, held in registers.
#pragma once

#include <cstdint>

#include "native/kernels/gemm/plan.h"
#include "native/kernels/simd/config.h"

namespace nd::kernels {

// Memory that the next tile will read, fetched bit by bit: `step` bytes further with every k.
struct Ahead {
    const char* next;
    int64_t step;
};

// Adds to six rows of y. x holds six row pointers for each segment of k (a tap's channels, or a part of them); counts
// the length of each. Starts from start[row] + bias. Alone in its function, so that the compiler keeps the accumulators
// in registers; six rows always, so that a value does not depend on where its row falls in a tile.
template <class V, int N>
ND_NOINLINE void gemm_tile(const float* const* x, const int64_t* counts, int64_t segments, const float* panel,
                           const float* bias, const float* const* start, float* const* y, Ahead ahead) {
    constexpr int W = V::width;
    V sum[kTileRows][N];
    ND_UNROLL
    for (int r = 0; r < kTileRows; ++r) {
        ND_UNROLL
        for (int n = 0; n < N; ++n) sum[r][n] = V::load(start[r] + n * W) + V::load(bias + n * W);
    }
    for (int64_t s = 0; s < segments; ++s, x += kTileRows) {
        const float* const row[kTileRows] = {x[0], x[1], x[2], x[3], x[4], x[5]};
        for (int64_t k = 0, count = counts[s]; k < count; ++k, panel += N * W) {
            ND_PREFETCH(ahead.next);
            ahead.next += ahead.step;
            V w[N];
            ND_UNROLL
            for (int n = 0; n < N; ++n) w[n] = V::load(panel + n * W);
            ND_UNROLL
            for (int r = 0; r < kTileRows; ++r) {
                const V a = V::set(row[r][k]);
                ND_UNROLL
                for (int n = 0; n < N; ++n) sum[r][n] = V::fma(a, w[n], sum[r][n]);
            }
        }
    }
    ND_UNROLL
    for (int r = 0; r < kTileRows; ++r) {
        ND_UNROLL
        for (int n = 0; n < N; ++n) sum[r][n].store(y[r] + n * W);
    }
}

// The same for a number of vectors known only at run time.
template <class V, int N, class... Args>
void gemm_tile_of(int vectors, Args... args) {
    if constexpr (N > 1) {
        if (vectors < N) return gemm_tile_of<V, N - 1>(vectors, args...);
    }
    gemm_tile<V, N>(args...);
}

}  // namespace nd::kernels
