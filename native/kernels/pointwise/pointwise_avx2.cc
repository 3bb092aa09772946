// The pointwise tasks for AVX2 with FMA.
#include "native/kernels/pointwise/variants.h"

#if ND_X86

#include "native/kernels/pointwise/tasks.h"
#include "native/kernels/simd/f32x8.h"

namespace nd::kernels::avx2 {

void activation_task(const ActivationArgs& args, int64_t task) {
    activate<F32x8>(args, task);
}
void add_task(const AddArgs& args, int64_t task) {
    sum<F32x8>(args, task);
}
void concat_task(const ConcatArgs& args, int64_t task) {
    join<F32x8>(args, task);
}
void add_rows_task(const AddRowsArgs& args, int64_t task) {
    add<F32x8>(args, task);
}

}  // namespace nd::kernels::avx2

#endif
