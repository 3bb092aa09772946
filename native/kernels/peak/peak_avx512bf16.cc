// peak_run() for bf16 products.
#include "native/kernels/peak/variants.h"

#if ND_X86

#include "native/kernels/gemm/dot_avx512bf16.h"

namespace nd::kernels::avx512bf16 {

float peak_run(int64_t rounds) {
    const __m512i half = _mm512_set1_epi16(0x3f00), zero = _mm512_setzero_si512();
    __m512 sum[kChains];
    ND_UNROLL
    for (int i = 0; i < kChains; ++i) sum[i] = _mm512_set1_ps(float(i));
    for (int64_t round = 0; round < rounds; ++round) {
        ND_UNROLL
        for (int i = 0; i < kChains; ++i) sum[i] = Bf16Dot::add(sum[i], half, zero);
    }
    ND_UNROLL
    for (int i = 1; i < kChains; ++i) sum[0] = _mm512_add_ps(sum[0], sum[i]);
    return _mm512_reduce_add_ps(sum[0]);
}

}  // namespace nd::kernels::avx512bf16

#endif
