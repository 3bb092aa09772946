#include "native/engine/worker.h"

#include <system_error>

#include "native/error.h"

namespace nd::engine {

struct Worker::State {
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<Job> jobs;
    std::shared_ptr<backend::CancelToken> running;
    bool stopped = false, closed = false;
};

Worker::Worker() : state_(std::make_shared<State>()) {
    try {
        thread_ = std::thread([state = state_] { loop(state); });
    } catch (const std::system_error& error) {
        fail("COMPUTE_FAILED", "a thread for the model could not be started: ", error.what());
    }
}

Worker::~Worker() {
    shut_down();
}

void Worker::shut_down() {
    stop();
    {
        std::lock_guard lock(state_->mutex);
        state_->closed = true;
    }
    state_->changed.notify_all();
    if (!thread_.joinable()) return;
    // The last owner of a model may be a job on this very thread, which cannot wait for itself.
    if (thread_.get_id() == std::this_thread::get_id()) {
        thread_.detach();
    } else {
        thread_.join();
    }
}

void Worker::post(Job job) {
    {
        std::lock_guard lock(state_->mutex);
        if (state_->stopped && job.token) job.token->cancel();
        state_->jobs.push_back(std::move(job));
    }
    state_->changed.notify_all();
}

void Worker::stop() {
    std::lock_guard lock(state_->mutex);
    state_->stopped = true;
    if (state_->running) state_->running->cancel();
    for (auto& job : state_->jobs) {
        if (job.token) job.token->cancel();
    }
}

bool Worker::stopped() const {
    std::lock_guard lock(state_->mutex);
    return state_->stopped;
}

void Worker::loop(const std::shared_ptr<State>& state) {
    for (;;) {
        Job job;
        {
            std::unique_lock lock(state->mutex);
            state->changed.wait(lock, [&] { return state->closed || !state->jobs.empty(); });
            if (state->jobs.empty()) return;
            job = std::move(state->jobs.front());
            state->jobs.pop_front();
            state->running = job.token;
        }
        job.run();
        {
            std::lock_guard lock(state->mutex);
            state->running = nullptr;
        }
    }
}

}  // namespace nd::engine
