// peak_run() for AVX2 with FMA.
#include "native/kernels/peak/variants.h"

#if ND_X86

#include "native/kernels/peak/chains.h"
#include "native/kernels/simd/f32x8.h"

namespace nd::kernels::avx2 {

float peak_run(int64_t rounds) {
    return fma_chains<F32x8>(rounds, 0.5f, 1.0f);
}
double peak_ops(int64_t rounds) {
    return double(rounds) * kChains * F32x8::width * 2;
}

}  // namespace nd::kernels::avx2

#endif
