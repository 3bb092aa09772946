// gemm_task() over int8 panels.
#include "native/kernels/gemm/variants.h"

#if ND_X86

#include "native/kernels/gemm/dot_avx512vnni.h"
#include "native/kernels/gemm/packed_task.h"

namespace nd::kernels::avx512vnni {

void gemm_task(const GemmArgs& args, int64_t task) {
    PackedGemmTask<Int8Dot>(args, task).run();
}

}  // namespace nd::kernels::avx512vnni

#endif
