// gemm_task() over bf16 panels.
#include "native/kernels/gemm/variants.h"

#if ND_X86

#include "native/kernels/gemm/dot_avx512bf16.h"
#include "native/kernels/gemm/packed_task.h"

namespace nd::kernels::avx512bf16 {

void gemm_task(const GemmArgs& args, int64_t task) {
    PackedGemmTask<Bf16Dot>(args, task).run();
}

}  // namespace nd::kernels::avx512bf16

#endif
