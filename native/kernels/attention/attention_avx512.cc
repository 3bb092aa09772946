// attention_task() for AVX-512.
#include "native/kernels/attention/variants.h"

#if ND_X86

#include "native/kernels/attention/task.h"
#include "native/kernels/simd/f32x16.h"

namespace nd::kernels::avx512 {

void attention_task(const AttentionArgs& args, int64_t task) {
    run_attention<F32x16>(args, task);
}

}  // namespace nd::kernels::avx512

#endif
