// The compiled variants of peak_run().
#pragma once

#include "native/kernels/cpu.h"
#include "native/kernels/peak/peak.h"

namespace nd::kernels {

ND_VARIANTS(float peak_run(int64_t rounds))
ND_VARIANTS(double peak_flops(int64_t rounds))

}  // namespace nd::kernels
