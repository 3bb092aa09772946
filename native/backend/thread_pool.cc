#include "native/backend/thread_pool.h"

#include <system_error>

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#endif

namespace nd::backend {

namespace {

// About 50 microseconds: longer than the gaps between the kernels of a graph, shorter than a sleep and a wake-up.
constexpr int kSpins = 1500;

void pause() {
#if defined(__x86_64__) || defined(_M_X64)
    _mm_pause();
#elif defined(__aarch64__) && !defined(_MSC_VER)
    asm volatile("yield");
#endif
}

}  // namespace

ThreadPool::ThreadPool(int threads) {
    try {
        for (int i = 1; i < threads; i++) workers_.emplace_back([this] { work(); });
    } catch (const std::system_error&) {
        // No more threads to be had: those that there are do the work.
    } catch (...) {
        shut_down();
        throw;
    }
}

ThreadPool::~ThreadPool() {
    shut_down();
}

void ThreadPool::shut_down() {
    {
        std::lock_guard lock(mutex_);
        stopped_ = true;
        number_.fetch_add(1);
    }
    wake_.notify_all();
    for (auto& worker : workers_) worker.join();
}

void ThreadPool::run(const std::function<void()>& job) {
    if (workers_.empty()) return job();
    job_ = &job;
    inside_.fetch_and(~kClosed);
    number_.fetch_add(1);
    if (sleeping_.load() > 0) {
        // Taking the lock once makes sure that a worker about to sleep has seen the new number or hears the call.
        { std::lock_guard lock(mutex_); }
        wake_.notify_all();
    }
    job();
    inside_.fetch_or(kClosed);
    for (int spins = 0; inside_.load() != kClosed; spins++) {
        if (spins < kSpins) {
            pause();
        } else {
            std::this_thread::yield();  // the machine is busy: let whoever is still inside finish
        }
    }
}

void ThreadPool::work() {
    uint32_t seen = 0;
    for (;;) {
        seen = wait_for_job(seen);
        if (stopped_) return;
        if ((inside_.fetch_add(1) & kClosed) == 0) (*job_)();
        inside_.fetch_sub(1);
    }
}

uint32_t ThreadPool::wait_for_job(uint32_t seen) {
    for (int spins = 0; spins < kSpins; spins++) {
        const uint32_t number = number_.load();
        if (number != seen) return number;
        pause();
    }
    std::unique_lock lock(mutex_);
    sleeping_.fetch_add(1);
    wake_.wait(lock, [&] { return number_.load() != seen; });
    sleeping_.fetch_sub(1);
    return number_.load();
}

}  // namespace nd::backend
