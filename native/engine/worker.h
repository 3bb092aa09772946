// One thread with a queue: everything that a loaded model does happens on it, in order.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "native/backend/cancel_token.h"

namespace nd::engine {

class Worker {
  public:
    struct Job {
        std::function<void()> run;  // must not throw
        std::shared_ptr<backend::CancelToken> token;
    };

    Worker();   // throws COMPUTE_FAILED where no thread is to be had
    ~Worker();  // shuts down
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    // Jobs still run after stop(), with their tokens cancelled, so that each can report its end.
    void post(Job job);
    void stop();
    bool stopped() const;
    // Stops, and waits for the thread to end. Nothing may be posted afterwards.
    void shut_down();

  private:
    struct State;
    static void loop(const std::shared_ptr<State>& state);

    std::shared_ptr<State> state_;  // shared with the thread, which may outlive a Worker that it destroys itself
    std::thread thread_;
};

}  // namespace nd::engine
