// The threads that a graph's kernels run on. Between two kernels they spin for a moment, then sleep: a busy machine is
// not made busier, and a thread that is late never holds up the others.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace nd::backend {

class ThreadPool {
  public:
    // The caller of run() is one of the threads. Fewer than asked for are taken where the system has no more.
    explicit ThreadPool(int threads);
    ~ThreadPool();
    ThreadPool(const ThreadPool&) = delete;
    ThreadPool& operator=(const ThreadPool&) = delete;

    // Calls `job` on the caller's thread and on those of the others that come in time, and returns once all of them are
    // out of it. The job hands out its work itself and must not throw.
    void run(const std::function<void()>& job);

  private:
    void work();
    void shut_down();
    // Waits for another job than number `seen`; spins, then sleeps. Returns its number.
    uint32_t wait_for_job(uint32_t seen);

    // Counts the workers inside the job; while kClosed is set none may begin.
    static constexpr uint32_t kClosed = 1u << 31;
    std::atomic<uint32_t> inside_{kClosed};
    std::atomic<uint32_t> number_{0};  // of the job
    const std::function<void()>* job_ = nullptr;

    std::mutex mutex_;
    std::condition_variable wake_;
    std::atomic<int> sleeping_{0};
    std::atomic<bool> stopped_{false};
    std::vector<std::thread> workers_;
};

}  // namespace nd::backend
