// The conversion's task for AVX2 with FMA.
#include "native/kernels/rows/variants.h"

#if ND_X86

#include "native/kernels/rows/task.h"
#include "native/kernels/simd/f32x8.h"

namespace nd::kernels::avx2 {

void convert_task(const ConvertArgs& args, int64_t task) {
    convert<F32x8>(args, task);
}

}  // namespace nd::kernels::avx2

#endif
