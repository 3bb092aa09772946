// peak_run() for any CPU.
#include "native/kernels/peak/chains.h"
#include "native/kernels/peak/variants.h"
#include "native/kernels/simd/f32x4.h"

namespace nd::kernels::scalar {

float peak_run(int64_t rounds) {
    return fma_chains<F32x4>(rounds, 0.5f, 1.0f);
}
double peak_ops(int64_t rounds) {
    return double(rounds) * kChains * F32x4::width * 2;
}

}  // namespace nd::kernels::scalar
