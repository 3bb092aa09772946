// What ties the engine's threads to a JavaScript environment, which may end (a worker is terminated, the process exits)
// while they work: Node frees an environment's thread-safe functions at its end, whoever still holds them.
#pragma once

#include <algorithm>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "native/engine/worker.h"

namespace nd::addon {

class EnvironmentLink {
  public:
    // Runs `call` and returns true, or returns false once the environment has ended. It does not end meanwhile.
    template <typename Call>
    bool while_open(Call&& call) {
        const std::lock_guard lock(mutex_);
        if (closed_) return false;
        std::forward<Call>(call)();
        return true;
    }

    // A worker to be ended with the environment.
    std::shared_ptr<engine::Worker> create_worker() {
        auto worker = std::make_shared<engine::Worker>();
        const std::lock_guard lock(mutex_);
        std::erase_if(workers_, [](const auto& held) { return held.expired(); });
        workers_.push_back(worker);
        return worker;
    }

    // Called at the environment's end: cancels all work and waits for it to stop.
    void close() {
        std::vector<std::weak_ptr<engine::Worker>> workers;
        {
            const std::lock_guard lock(mutex_);
            closed_ = true;
            workers.swap(workers_);
        }
        for (const auto& held : workers) {
            if (const auto worker = held.lock()) worker->shut_down();
        }
    }

  private:
    std::mutex mutex_;
    bool closed_ = false;
    std::vector<std::weak_ptr<engine::Worker>> workers_;
};

}  // namespace nd::addon
