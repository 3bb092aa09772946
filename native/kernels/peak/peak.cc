#include "native/kernels/peak/peak.h"

#include "native/kernels/gemm/packing.h"
#include "native/kernels/peak/variants.h"

namespace nd::kernels {

float peak_run(int64_t rounds, Packing packing) {
    if (!can_multiply(packing)) return 0;
#if ND_X86
    if (packing == Packing::bf16) return avx512bf16::peak_run(rounds);
    if (packing == Packing::i8) return isa() == Isa::avx2 ? avx2int8::peak_run(rounds) : avx512vnni::peak_run(rounds);
#endif
    return ND_DISPATCH(peak_run, rounds);
}

double peak_ops(int64_t rounds, Packing packing) {
    if (!can_multiply(packing)) return 0;
#if ND_X86
    if (packing == Packing::i8 && isa() == Isa::avx2) return avx2int8::peak_ops(rounds);
#endif
    if (packing != Packing::rows)
        return double(rounds) * kChains * kPackedVector * static_cast<double>(group_size(packing)) * 2;
    return ND_DISPATCH(peak_ops, rounds);
}

}  // namespace nd::kernels
