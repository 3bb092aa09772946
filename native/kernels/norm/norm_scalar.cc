// The norm tasks for any CPU.
#include "native/kernels/norm/group_norm.h"
#include "native/kernels/norm/layer_norm.h"
#include "native/kernels/norm/variants.h"
#include "native/kernels/simd/f32x4.h"

namespace nd::kernels::scalar {

void group_norm_sums_task(const GroupNormArgs& args, int64_t task) {
    group_norm_sums<F32x4>(args, task);
}
void group_norm_apply_task(const GroupNormArgs& args, int64_t task) {
    group_norm_apply<F32x4>(args, task);
}
void layer_norm_task(const LayerNormArgs& args, int64_t task) {
    layer_norm<F32x4>(args, task);
}

}  // namespace nd::kernels::scalar
