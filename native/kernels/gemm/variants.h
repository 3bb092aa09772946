// The compiled variants of gemm_task().
#pragma once

#include "native/kernels/cpu.h"
#include "native/kernels/gemm/gemm.h"

namespace nd::kernels {

ND_VARIANTS(void gemm_task(const GemmArgs& args, int64_t task))

}  // namespace nd::kernels
