// Block-quantised weights as panels of bf16, made anew by each task.
#pragma once

#include <cstdint>

#include "native/kernels/gemm/gemm.h"

namespace nd::kernels::avx512bf16 {

// Groups [first, first + groups) of up to 64 places from `place` on, laid out as packed panels are: [group][place][2].
// Both numbers of groups are multiples of 128 or end a row, so that whole blocks of any type are read.
void widen_blocks(const GemmArgs& args, int64_t place, int64_t places, int64_t first, int64_t groups, char* panel);

}  // namespace nd::kernels::avx512bf16
