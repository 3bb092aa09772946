// gemm_task() for AVX2 with FMA.
#include "native/kernels/gemm/variants.h"

#if ND_X86

#include "native/kernels/gemm/task.h"
#include "native/kernels/simd/f32x8.h"

namespace nd::kernels::avx2 {

void gemm_task(const GemmArgs& args, int64_t task) {
    GemmTask<F32x8>(args, task).run();
}

}  // namespace nd::kernels::avx2

#endif
