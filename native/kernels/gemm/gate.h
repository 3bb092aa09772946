// GEGLU (arXiv 2002.05202) at the end of a GEMM: of n output channels the first half are values, the others their
// gates, and y, n / 2 channels wide, is value * gelu(gate).
//
// Panels of such a layer have places for runs of sixteen values and of the sixteen gates that belong to them in turn,
// so that one task has both; the last runs are filled up with zeros. Packed weights lie in that order; rows are picked
// in it.
#pragma once

#include <cstdint>
#include <cstring>

#include "native/kernels/gemm/gemm.h"
#include "native/kernels/simd/config.h"

namespace nd::kernels {

constexpr int64_t kGateRun = 16;

// Of n rows of weights, whose panels have so many places.
ND_INLINE constexpr int64_t places_of(int64_t n, bool gated) {
    return gated ? (n / 2 + kGateRun - 1) / kGateRun * (2 * kGateRun) : n;
}

// Where one of the rows stands.
ND_INLINE constexpr int64_t gated_place(int64_t row, int64_t n) {
    const int64_t value = row % (n / 2);
    return value / kGateRun * (2 * kGateRun) + value % kGateRun + row / (n / 2) * kGateRun;
}

// Rows of weights in turn, at places in turn.
struct Run {
    int64_t row, count;
};

// What stands at `most` places from `place` on, all of them between two multiples of sixteen.
ND_INLINE constexpr Run run_at(int64_t place, int64_t most, int64_t n, bool gated) {
    int64_t row = place, end = n;
    if (gated) {
        const int64_t gate = place / kGateRun % 2 * (n / 2);
        row = place / (2 * kGateRun) * kGateRun + place % kGateRun + gate, end = n / 2 + gate;
    }
    if (row >= end) return {0, 0};
    return {row, end - row < most ? end - row : most};
}

// The channels of y that a panel's places from `place` on become.
struct Columns {
    int64_t first, count;
};

ND_INLINE Columns columns_of(const GemmArgs& args, int64_t place, int64_t places) {
    if (!args.gated) return {place, places};
    const int64_t first = place / 2, left = args.weights.n / 2 - first;
    return {first, left < places / 2 ? left : places / 2};
}

// The bias of `columns` places from `column0` on, or nothing.
ND_INLINE void copy_bias(const GemmArgs& args, int64_t column0, int64_t columns, float* out) {
    for (int64_t j = 0; args.bias && j < columns; j += kGateRun) {
        const Run run = run_at(column0 + j, kGateRun, args.weights.n, args.gated);
        std::memcpy(out + j, args.bias + run.row, static_cast<size_t>(run.count) * sizeof(float));
    }
}

}  // namespace nd::kernels
