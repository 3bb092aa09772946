// peak_run() for AVX-512.
#include "native/kernels/peak/variants.h"

#if ND_X86

#include "native/kernels/peak/chains.h"
#include "native/kernels/simd/f32x16.h"

namespace nd::kernels::avx512 {

float peak_run(int64_t rounds) {
    return fma_chains<F32x16>(rounds, 0.5f, 1.0f);
}
double peak_ops(int64_t rounds) {
    return double(rounds) * kChains * F32x16::width * 2;
}

}  // namespace nd::kernels::avx512

#endif
