// The machine's own limit, to measure kernels against: fused multiply-adds on registers and nothing else.
#pragma once

#include <cstdint>

namespace nd::kernels {

// Runs `rounds` rounds of independent multiply-adds with the instruction set in use; returns a value that depends on
// all.
float peak_run(int64_t rounds);

// Floating-point operations in that many rounds, two a multiply-add.
double peak_flops(int64_t rounds);

}  // namespace nd::kernels
