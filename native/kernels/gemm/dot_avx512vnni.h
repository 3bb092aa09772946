// Products of int8 with AVX512-VNNI. Only files compiled for it may include this.
#pragma once

#include "native/kernels/simd/f32x16.h"

namespace nd::kernels {

// Intel's VPDPBUSD: fours of unsigned times signed bytes, added to int32 sums.
struct Int8Dot {
    using Sum = __m512i;
    static constexpr bool scaled = true;
    static constexpr int64_t value_bytes = 1;
    static ND_INLINE __m512i add(__m512i sum, __m512i x, __m512i w) { return _mm512_dpbusd_epi32(sum, x, w); }
};

}  // namespace nd::kernels
