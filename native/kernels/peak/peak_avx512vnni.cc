// peak_run() for int8 products.
#include "native/kernels/peak/variants.h"

#if ND_X86

#include "native/kernels/gemm/dot_avx512vnni.h"

namespace nd::kernels::avx512vnni {

float peak_run(int64_t rounds) {
    const __m512i one = _mm512_set1_epi8(1), zero = _mm512_setzero_si512();
    __m512i sum[kChains];
    ND_UNROLL
    for (int i = 0; i < kChains; ++i) sum[i] = _mm512_set1_epi32(i);
    for (int64_t round = 0; round < rounds; ++round) {
        ND_UNROLL
        for (int i = 0; i < kChains; ++i) sum[i] = Int8Dot::add(sum[i], one, zero);
    }
    ND_UNROLL
    for (int i = 1; i < kChains; ++i) sum[0] = _mm512_add_epi32(sum[0], sum[i]);
    return static_cast<float>(_mm512_reduce_add_epi32(sum[0]));
}

}  // namespace nd::kernels::avx512vnni

#endif
