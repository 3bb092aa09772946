// The conversion's task for any CPU.
#include "native/kernels/rows/task.h"
#include "native/kernels/rows/variants.h"
#include "native/kernels/simd/f32x4.h"

namespace nd::kernels::scalar {

void convert_task(const ConvertArgs& args, int64_t task) {
    convert<F32x4>(args, task);
}

}  // namespace nd::kernels::scalar
