// Threads that take jobs from one list until it ends or one of them fails.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "native/weights/convert.h"

namespace nd::weights {

class Workers {
  public:
    Workers(size_t jobs, int threads) : jobs_(jobs), threads_(std::max(1, threads)) {}

    // `work(job, buffers)` on all threads, each with its own buffers; `between()` on this thread alone, after each of
    // its jobs. Throws what they throw first.
    template <typename Work, typename Between>
    void run(const Work& work, const Between& between) {
        std::vector<std::thread> others;
        const auto loop = [&](auto&& after) {
            try {
                ConvertBuffers buffers;
                for (size_t job; !stop_ && (job = next_++) < jobs_;) {
                    work(job, buffers);
                    after();
                }
            } catch (...) {
                const std::lock_guard lock(mutex_);
                if (!error_) error_ = std::current_exception();
                stop_ = true;
            }
        };
        const size_t wanted = std::min(static_cast<size_t>(threads_), jobs_);
        try {
            while (others.size() + 1 < wanted) others.emplace_back([&] { loop([] {}); });
        } catch (const std::system_error&) {
            // No more threads to be had: those that there are do the work.
        } catch (...) {
            stop_ = true;
            for (std::thread& thread : others) thread.join();
            throw;
        }
        loop(between);
        for (std::thread& thread : others) thread.join();
        if (error_) std::rethrow_exception(error_);
    }

  private:
    const size_t jobs_;
    const int threads_;
    std::atomic<size_t> next_{0};
    std::atomic<bool> stop_{false};
    std::mutex mutex_;
    std::exception_ptr error_;
};

}  // namespace nd::weights
