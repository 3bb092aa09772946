#include "native/kernels/peak/peak.h"

#include <algorithm>
#include <atomic>
#include <chrono>

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

double peak_rate(Packing packing, int threads, double seconds, const OnThreads& on_threads,
                 const std::function<bool()>& cancelled) {
    if (!can_multiply(packing)) return 0;
    using Clock = std::chrono::steady_clock;
    const auto since = [](Clock::time_point start) {
        return std::chrono::duration<double>(Clock::now() - start).count();
    };
    constexpr int64_t kRounds = 4000000;
    const Clock::time_point start = Clock::now();
    double best = 0;
    for (int runs = 0; runs < 4 || since(start) < seconds; ++runs) {
        if (cancelled && cancelled()) return 0;
        // By a counter, so that a thread that comes late has less to do and none is waited for.
        std::atomic<int> next{0};
        const Clock::time_point before = Clock::now();
        on_threads([&] {
            while (next.fetch_add(1) < threads) peak_run(kRounds, packing);
        });
        const double rate = threads * peak_ops(kRounds, packing) / since(before);
        if (runs > 0) best = std::max(best, rate);  // the first one wakes the threads
    }
    return best;
}

}  // namespace nd::kernels
