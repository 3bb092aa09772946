// The compiled variants of the conversion.
#pragma once

#include "native/kernels/cpu.h"
#include "native/kernels/rows/convert.h"

namespace nd::kernels {

ND_VARIANTS(void convert_task(const ConvertArgs& args, int64_t task))

}  // namespace nd::kernels
