// The conversion's task for AVX-512.
#include "native/kernels/rows/variants.h"

#if ND_X86

#include "native/kernels/rows/task.h"
#include "native/kernels/simd/f32x16.h"

namespace nd::kernels::avx512 {

void convert_task(const ConvertArgs& args, int64_t task) {
    convert<F32x16>(args, task);
}

}  // namespace nd::kernels::avx512

#endif
