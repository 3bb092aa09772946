// peak_run() for int8 products with AVX2: pairs of int16, as gemm/int8_avx2.cc multiplies them.
#include "native/kernels/peak/variants.h"

#if ND_X86

#include <immintrin.h>

#include "native/kernels/simd/config.h"

namespace nd::kernels::avx2int8 {

namespace {

// A product takes a register beside its sum.
constexpr int kSums = 8;

}  // namespace

float peak_run(int64_t rounds) {
    // The sum is a factor of its own product, so that there is a new one each round.
    const __m256i factor = _mm256_set1_epi32(static_cast<int>(rounds | 1));
    __m256i sum[kSums];
    ND_UNROLL
    for (int i = 0; i < kSums; ++i) sum[i] = _mm256_set1_epi32(i);
    for (int64_t round = 0; round < rounds; ++round) {
        ND_UNROLL
        for (int i = 0; i < kSums; ++i) sum[i] = _mm256_add_epi32(sum[i], _mm256_madd_epi16(sum[i], factor));
    }
    ND_UNROLL
    for (int i = 1; i < kSums; ++i) sum[0] = _mm256_add_epi32(sum[0], sum[i]);
    return static_cast<float>(_mm_cvtsi128_si32(_mm256_castsi256_si128(sum[0])));
}

double peak_ops(int64_t rounds) {
    constexpr int kLanes = 8, kProducts = 2;
    return double(rounds) * kSums * kLanes * kProducts * 2;
}

}  // namespace nd::kernels::avx2int8

#endif
