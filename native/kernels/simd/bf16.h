// One bf16 value: the upper half of a float.
#pragma once

#include <cstdint>
#include <cstring>

#include "native/kernels/simd/config.h"

namespace nd::kernels {

static ND_INLINE float from_bf16(uint16_t value) {
    const uint32_t bits = static_cast<uint32_t>(value) << 16;
    float x;
    std::memcpy(&x, &bits, sizeof x);
    return x;
}

// Rounded to nearest, ties to even; a NaN stays one, whatever its lower half.
static ND_INLINE uint16_t to_bf16(float x) {
    uint32_t bits;
    std::memcpy(&bits, &x, sizeof bits);
    if (x != x) return static_cast<uint16_t>((bits | 0x400000u) >> 16);
    return static_cast<uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

}  // namespace nd::kernels
