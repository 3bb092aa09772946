// What the kernel tests share: seeded data, guarded buffers, running all tasks, comparing.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "native/error.h"
#include "native/kernels/cpu.h"
#include "native/test/tap.h"

namespace nd::test {

// Values of mean 0 and variance 1 from a 64-bit linear congruential generator (twelve uniforms make a normal).
inline std::vector<float> normals(int64_t n, uint64_t seed, float scale = 1.0f, float offset = 0.0f) {
    std::vector<float> values(static_cast<size_t>(n));
    uint64_t state = seed * 0x9e3779b97f4a7c15u + 1;
    for (float& value : values) {
        double sum = -6;
        for (int i = 0; i < 12; ++i) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            sum += static_cast<double>(state >> 40) / (1 << 24);
        }
        value = static_cast<float>(sum) * scale + offset;
    }
    return values;
}

// A buffer with values before and after it that must survive, and contents that no kernel would write.
class Guarded {
  public:
    explicit Guarded(int64_t n) : values_(static_cast<size_t>(n + 2 * kGuard), kMark) {}

    float* data() { return values_.data() + kGuard; }
    int64_t size() const { return static_cast<int64_t>(values_.size()) - 2 * kGuard; }
    bool intact() const {
        for (int64_t i = 0; i < kGuard; ++i) {
            if (values_[i] != kMark || values_[values_.size() - 1 - i] != kMark) return false;
        }
        return true;
    }
    static constexpr float kMark = -1.2345e33f;

  private:
    static constexpr int64_t kGuard = 256;
    std::vector<float> values_;
};

inline double relative_error(const float* got, const float* expected, int64_t n) {
    double difference = 0, norm = 0;
    for (int64_t i = 0; i < n; ++i) {
        difference += (double(got[i]) - expected[i]) * (double(got[i]) - expected[i]);
        norm += double(expected[i]) * expected[i];
    }
    if (!std::isfinite(difference)) return INFINITY;
    return norm > 0 ? std::sqrt(difference / norm) : std::sqrt(difference);
}

inline bool same_bytes(const float* a, const float* b, int64_t n) {
    return std::memcmp(a, b, n * sizeof(float)) == 0;
}

template <class Args>
void run_tasks(int64_t tasks, void (*task)(const Args&, int64_t), const Args& args, bool backwards = false) {
    for (int64_t i = 0; i < tasks; ++i) task(args, backwards ? tasks - 1 - i : i);
}

// All tasks at once from several threads, each taking every `threads`-th.
template <class Args>
void run_threads(int threads, int64_t tasks, void (*task)(const Args&, int64_t), const Args& args) {
    std::vector<std::thread> team;
    for (int t = 0; t < threads; ++t) {
        team.emplace_back([&, t] {
            for (int64_t i = t; i < tasks; i += threads) task(args, i);
        });
    }
    for (std::thread& member : team) member.join();
}

// The code of the Error that `body` throws, or an empty string.
inline std::string error_code(const std::function<void()>& body) {
    try {
        body();
    } catch (const Error& error) {
        return error.code();
    }
    return "";
}

// Runs `body` with each instruction set that this machine has, then returns to the best.
inline void for_each_isa(const std::function<void(const char* isa)>& body) {
    using kernels::Isa;
    for (Isa isa : {Isa::scalar, Isa::avx2, Isa::avx512}) {
        if (isa > kernels::best_isa()) continue;
        kernels::set_isa(isa);
        body(kernels::isa_name(isa));
    }
    kernels::set_isa(kernels::best_isa());
}

}  // namespace nd::test
