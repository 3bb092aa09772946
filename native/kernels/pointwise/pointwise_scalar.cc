// The pointwise tasks for any CPU.
#include "native/kernels/pointwise/tasks.h"
#include "native/kernels/pointwise/variants.h"
#include "native/kernels/simd/f32x4.h"

namespace nd::kernels::scalar {

void activation_task(const ActivationArgs& args, int64_t task) {
    activate<F32x4>(args, task);
}
void add_task(const AddArgs& args, int64_t task) {
    sum<F32x4>(args, task);
}
void concat_task(const ConcatArgs& args, int64_t task) {
    join<F32x4>(args, task);
}
void add_rows_task(const AddRowsArgs& args, int64_t task) {
    add<F32x4>(args, task);
}

}  // namespace nd::kernels::scalar
