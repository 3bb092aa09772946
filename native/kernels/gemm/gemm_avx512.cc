// gemm_task() for AVX-512.
#include "native/kernels/gemm/variants.h"

#if ND_X86

#include "native/kernels/gemm/task.h"
#include "native/kernels/simd/f32x16.h"

namespace nd::kernels::avx512 {

void gemm_task(const GemmArgs& args, int64_t task) {
    GemmTask<F32x16>(args, task).run();
}

}  // namespace nd::kernels::avx512

#endif
