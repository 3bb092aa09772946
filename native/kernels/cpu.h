// Which instruction set the kernels use: the best that this CPU has, unless told otherwise.
#pragma once

#if defined(__x86_64__) || defined(_M_X64)
#define ND_X86 1
#else
#define ND_X86 0
#endif

namespace nd::kernels {

// `scalar` is the portable variant: SSE2 on x86-64, NEON on ARM.
enum class Isa { scalar, avx2, avx512 };

// The best instruction set of this CPU that this build carries.
Isa best_isa();

// The instruction set in use: best_isa(), or what the environment variable NODE_DIFFUSION_ISA (scalar, avx2, avx512) or
// set_isa() lowered it to.
Isa isa();
void set_isa(Isa isa);
const char* isa_name(Isa isa);

// Whether the instruction set in use multiplies bf16: AVX-512 on a CPU with AVX512-BF16; or int8: AVX2, and AVX-512 on
// a CPU with AVX512-VNNI.
bool has_bf16();
bool has_int8();

}  // namespace nd::kernels

// Calls `function` of the namespace (scalar, avx2, avx512) that isa() names.
#if ND_X86
#define ND_DISPATCH(function, ...)                                                      \
    (::nd::kernels::isa() == ::nd::kernels::Isa::avx512 ? avx512::function(__VA_ARGS__) \
     : ::nd::kernels::isa() == ::nd::kernels::Isa::avx2 ? avx2::function(__VA_ARGS__)   \
                                                        : scalar::function(__VA_ARGS__))
#else
#define ND_DISPATCH(function, ...) scalar::function(__VA_ARGS__)
#endif

// Declares one function in each of those namespaces: ND_VARIANTS(void gemm_task(const GemmArgs&, int64_t));
#define ND_VARIANTS(declaration) \
    namespace scalar {           \
    declaration;                 \
    }                            \
    namespace avx2 {             \
    declaration;                 \
    }                            \
    namespace avx512 {           \
    declaration;                 \
    }
