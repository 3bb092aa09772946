// Asks running work to stop: set by any thread, polled between the tasks of a kernel and the nodes of a graph.
#pragma once

#include <atomic>

namespace nd::backend {

class CancelToken {
  public:
    CancelToken() = default;
    CancelToken(const CancelToken&) = delete;
    CancelToken& operator=(const CancelToken&) = delete;

    void cancel() { cancelled_.store(true, std::memory_order_relaxed); }
    bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }
    const std::atomic<bool>* flag() const { return &cancelled_; }

  private:
    std::atomic<bool> cancelled_{false};
};

}  // namespace nd::backend
