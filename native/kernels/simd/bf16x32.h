// The types that AVX512-BF16's intrinsics have for sixteen and thirty-two bf16, from and to plain bits. A cast between
// vector types is GCC's and Clang's own; a copy every compiler knows, and it costs nothing.
#pragma once

#include <immintrin.h>

#include <cstring>

#include "native/kernels/simd/config.h"

namespace nd::kernels {

static ND_INLINE __m512bh as_bf16(__m512i bits) {
    __m512bh halves;
    std::memcpy(&halves, &bits, sizeof halves);
    return halves;
}

static ND_INLINE __m512i as_bits(__m512bh halves) {
    __m512i bits;
    std::memcpy(&bits, &halves, sizeof bits);
    return bits;
}

static ND_INLINE __m256i as_bits(__m256bh halves) {
    __m256i bits;
    std::memcpy(&bits, &halves, sizeof bits);
    return bits;
}

}  // namespace nd::kernels
