// attention_task() for AVX2 with FMA.
#include "native/kernels/attention/variants.h"

#if ND_X86

#include "native/kernels/attention/task.h"
#include "native/kernels/simd/f32x8.h"

namespace nd::kernels::avx2 {

void attention_task(const AttentionArgs& args, int64_t task) {
    run_attention<F32x8>(args, task);
}

}  // namespace nd::kernels::avx2

#endif
