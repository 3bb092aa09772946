// The choice of an instruction set, scratch memory, and the loop that measures the machine.
#include "native/kernels/cpu.h"

#include <cstdint>
#include <string>
#include <thread>

#include "native/kernels/gemm/packing.h"
#include "native/kernels/peak/peak.h"
#include "native/kernels/scratch.h"
#include "native/test/kernels/support.h"

using namespace nd::kernels;
using namespace nd::test;

TEST("cpu: an instruction set can be lowered, never raised above the CPU's") {
    set_isa(Isa::scalar);
    CHECK(isa() == Isa::scalar);
    set_isa(Isa::avx512);
    CHECK(isa() == best_isa(), isa_name(isa()));
    CHECK(std::string(isa_name(Isa::scalar)) == "scalar");
    CHECK(std::string(isa_name(Isa::avx2)) == "avx2");
    CHECK(std::string(isa_name(Isa::avx512)) == "avx512");
}

TEST("scratch: memory is aligned, survives smaller requests, and belongs to a thread and a purpose") {
    float* small = scratch(Scratch::rows, 10);
    small[9] = 7;
    CHECK(scratch(Scratch::rows, 5) == small);
    float* large = scratch(Scratch::rows, 1 << 20);
    large[(1 << 20) - 1] = 1;
    CHECK(reinterpret_cast<uintptr_t>(small) % 64 == 0);
    CHECK(reinterpret_cast<uintptr_t>(large) % 64 == 0);
    CHECK(scratch(Scratch::panel, 10) != scratch(Scratch::rows, 10));
    float* other = nullptr;
    std::thread([&] { other = scratch(Scratch::rows, 10); }).join();
    CHECK(other != nullptr && other != large);
}

TEST("scratch: a request beyond all memory is OUT_OF_MEMORY") {
    CHECK(error_code([] { scratch(Scratch::rows, size_t(1) << 58); }) == "OUT_OF_MEMORY");
}

TEST("peak: the chains compute what they say") {
    for_each_isa([](const char* isa) {
        const double lanes = peak_ops(1) / 24;  // x = x / 2 + 1 ends at 2, in 12 chains of this many lanes
        CHECK(std::abs(peak_run(100) - 24 * lanes) < 1e-3, isa);
    });
}

TEST("peak: a rate is of all threads together, of products that the CPU has, and ends when it is told to") {
    for_each_isa([](const char* isa) {
        int calls = 0;
        const OnThreads alone = [&](const std::function<void()>& job) { ++calls, job(); };
        for (const Packing packing : {Packing::rows, Packing::bf16, Packing::i8}) {
            calls = 0;
            const double rate = peak_rate(packing, 1, 0, alone);
            CHECK((rate > 0) == can_multiply(packing), isa);
            CHECK((calls >= 4) == can_multiply(packing), isa);
        }
        CHECK(peak_rate(Packing::rows, 1, 0, alone, [] { return true; }) == 0, isa);
    });
}
