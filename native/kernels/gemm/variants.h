// The compiled variants of gemm_task().
#pragma once

#include "native/kernels/cpu.h"
#include "native/kernels/gemm/gemm.h"

namespace nd::kernels {

ND_VARIANTS(void gemm_task(const GemmArgs& args, int64_t task))

// For packed weights.
namespace avx512bf16 {
void gemm_task(const GemmArgs& args, int64_t task);
void winograd_task(const GemmArgs& args, int64_t task);
}  // namespace avx512bf16
namespace avx512vnni {
void gemm_task(const GemmArgs& args, int64_t task);
}
namespace avx2int8 {
void gemm_task(const GemmArgs& args, int64_t task);
}

}  // namespace nd::kernels
