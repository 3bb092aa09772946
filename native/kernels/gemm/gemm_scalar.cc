// gemm_task() for any CPU.
#include "native/kernels/gemm/task.h"
#include "native/kernels/gemm/variants.h"
#include "native/kernels/simd/f32x4.h"

namespace nd::kernels::scalar {

void gemm_task(const GemmArgs& args, int64_t task) {
    GemmTask<F32x4>(args, task).run();
}

}  // namespace nd::kernels::scalar
