// The compiled variants of peak_run().
#pragma once

#include "native/kernels/cpu.h"
#include "native/kernels/peak/peak.h"

namespace nd::kernels {

// Independent sums: more than latency times units, fewer than registers.
constexpr int kChains = 12;

ND_VARIANTS(float peak_run(int64_t rounds))
ND_VARIANTS(double peak_ops(int64_t rounds))

namespace avx512bf16 {
float peak_run(int64_t rounds);
}
namespace avx512vnni {
float peak_run(int64_t rounds);
}
namespace avx2int8 {
float peak_run(int64_t rounds);
double peak_ops(int64_t rounds);
}  // namespace avx2int8

}  // namespace nd::kernels
