// The compiled variants of the pointwise tasks.
#pragma once

#include "native/kernels/cpu.h"
#include "native/kernels/pointwise/pointwise.h"

namespace nd::kernels {

ND_VARIANTS(void activation_task(const ActivationArgs& args, int64_t task))
ND_VARIANTS(void add_task(const AddArgs& args, int64_t task))
ND_VARIANTS(void concat_task(const ConcatArgs& args, int64_t task))
ND_VARIANTS(void add_rows_task(const AddRowsArgs& args, int64_t task))

}  // namespace nd::kernels
