// attention_task() for any CPU.
#include "native/kernels/attention/task.h"
#include "native/kernels/attention/variants.h"
#include "native/kernels/simd/f32x4.h"

namespace nd::kernels::scalar {

void attention_task(const AttentionArgs& args, int64_t task) {
    run_attention<F32x4>(args, task);
}

}  // namespace nd::kernels::scalar
