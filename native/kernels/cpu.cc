#include "native/kernels/cpu.h"

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <initializer_list>

#if ND_X86
#if defined(_MSC_VER)
#include <intrin.h>
#else
#include <cpuid.h>
#endif
#endif

namespace nd::kernels {

namespace {

#if ND_X86
struct CpuId {
    uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

CpuId cpuid(uint32_t leaf, uint32_t subleaf = 0) {
    CpuId id;
#if defined(_MSC_VER)
    int regs[4];
    __cpuidex(regs, static_cast<int>(leaf), static_cast<int>(subleaf));
    id = {uint32_t(regs[0]), uint32_t(regs[1]), uint32_t(regs[2]), uint32_t(regs[3])};
#else
    __get_cpuid_count(leaf, subleaf, &id.eax, &id.ebx, &id.ecx, &id.edx);
#endif
    return id;
}

// Which register states the operating system saves (XCR0).
uint64_t saved_states() {
#if defined(_MSC_VER)
    return _xgetbv(0);
#else
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t(high) << 32) | low;
#endif
}

// Bits as in Intel's Software Developer's Manual, volume 2A, CPUID.
Isa detect() {
    const CpuId one = cpuid(1), seven = cpuid(7);
    const bool osxsave = one.ecx >> 27 & 1, avx = one.ecx >> 28 & 1, fma = one.ecx >> 12 & 1, f16c = one.ecx >> 29 & 1;
    if (!osxsave || !avx || !fma || !f16c) return Isa::scalar;
    const uint64_t states = saved_states();
    const bool ymm = (states & 0x06) == 0x06, zmm = (states & 0xe6) == 0xe6;
    const bool avx2 = seven.ebx >> 5 & 1;
    const bool avx512 =
        (seven.ebx >> 16 & 1) && (seven.ebx >> 17 & 1) && (seven.ebx >> 30 & 1) && (seven.ebx >> 31 & 1);
    if (!ymm || !avx2) return Isa::scalar;
    return zmm && avx512 ? Isa::avx512 : Isa::avx2;
}

bool detect_bf16() {
    return cpuid(7).eax >= 1 && (cpuid(7, 1).eax >> 5 & 1);
}

bool detect_int8() {
    return cpuid(7).ecx >> 11 & 1;
}
#else
Isa detect() {
    return Isa::scalar;
}

bool detect_bf16() {
    return false;
}

bool detect_int8() {
    return false;
}
#endif

Isa lower(Isa wanted) {
    return wanted < best_isa() ? wanted : best_isa();
}

Isa initial_isa() {
    const char* name = std::getenv("NODE_DIFFUSION_ISA");
    for (Isa candidate : {Isa::scalar, Isa::avx2, Isa::avx512}) {
        if (name && std::strcmp(name, isa_name(candidate)) == 0) return lower(candidate);
    }
    return best_isa();
}

std::atomic<Isa>& current() {
    static std::atomic<Isa> isa{initial_isa()};
    return isa;
}

}  // namespace

Isa best_isa() {
    static const Isa best = detect();
    return best;
}

Isa isa() {
    return current().load(std::memory_order_relaxed);
}

void set_isa(Isa isa) {
    current().store(lower(isa), std::memory_order_relaxed);
}

bool has_bf16() {
    static const bool there = detect_bf16();
    return there && isa() == Isa::avx512;
}

bool has_int8() {
    static const bool there = detect_int8();
    return isa() == Isa::avx2 || (there && isa() == Isa::avx512);
}

const char* isa_name(Isa isa) {
    switch (isa) {
        case Isa::avx512:
            return "avx512";
        case Isa::avx2:
            return "avx2";
        default:
            return "scalar";
    }
}

}  // namespace nd::kernels
