// The compiled variants of the pointwise tasks.
#pragma once

#include "native/kernels/cpu.h"
#include "native/kernels/pointwise/pointwise.h"
#include "native/kernels/simd/config.h"

namespace nd::kernels {

ND_VARIANTS(void activation_task(const ActivationArgs& args, int64_t task))
ND_VARIANTS(void geglu_task(const GegluArgs& args, int64_t task))

// Values of an activation task, and about as many of the other tasks: 128 KiB, well inside L2.
constexpr int64_t kPointwiseChunk = 32768;

// Rows of a task whose rows have `row` values.
ND_INLINE int64_t pointwise_rows(int64_t row) {
    return row >= kPointwiseChunk ? 1 : kPointwiseChunk / (row > 0 ? row : 1);
}

}  // namespace nd::kernels
