// Products of bf16 with AVX512-BF16. Only files compiled for it may include this.
#pragma once

#include "native/kernels/simd/bf16x32.h"
#include "native/kernels/simd/f32x16.h"

namespace nd::kernels {

// Intel's VDPBF16PS: pairs of bf16 multiplied and added to f32 sums.
struct Bf16Dot {
    using Sum = __m512;
    static constexpr bool scaled = false;
    static constexpr int64_t value_bytes = 2;
    static ND_INLINE __m512 add(__m512 sum, __m512i x, __m512i w) {
        return _mm512_dpbf16_ps(sum, as_bf16(x), as_bf16(w));
    }
};

}  // namespace nd::kernels
