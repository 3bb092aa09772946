// The one way in which native work reaches JavaScript: a job on a model's thread that settles a promise.
#pragma once

#include <napi.h>

#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "native/addon/addon_data.h"
#include "native/addon/failure.h"
#include "native/engine/worker.h"

namespace nd::addon {

// Lives from the call to the settling of its promise, on the JavaScript thread both; in between the worker has it.
template <typename Result>
class PromiseJob {
  public:
    using Work = std::function<Result()>;
    using Convert = std::function<Napi::Value(Napi::Env, Result&)>;

    PromiseJob(Napi::Env env, std::shared_ptr<engine::Worker> worker, Work work, Convert convert)
        : deferred_(Napi::Promise::Deferred::New(env)),
          link_(AddonData::of(env).link),
          worker_(std::move(worker)),
          work_(std::move(work)),
          convert_(std::move(convert)) {}

    static Napi::Promise start(std::unique_ptr<PromiseJob> job, Napi::Env env,
                               const std::shared_ptr<backend::CancelToken>& token) {
        const Napi::Promise promise = job->deferred_.Promise();
        const auto worker = job->worker_;
        engine::Worker::Job posted{[held = job.get()] { held->run(); }, token};
        job->settle_ = Settle::New(env, "node-diffusion", 0, 1);
        try {
            worker->post(std::move(posted));
        } catch (...) {
            job->settle_.Release();
            throw;
        }
        job.release();
        return promise;
    }

  private:
    // Runs on the JavaScript thread; `env` is null where the environment is being torn down.
    static void settle(Napi::Env env, Napi::Function, std::nullptr_t*, PromiseJob* held) {
        const std::unique_ptr<PromiseJob> job(held);
        if (static_cast<napi_env>(env) == nullptr) return;
        const Napi::HandleScope scope(env);
        try {
            if (!job->result_) throw make_error(env, job->failure_.code, job->failure_.message);
            job->deferred_.Resolve(guarded(env, [&] { return job->convert_(env, *job->result_); }));
        } catch (const Napi::Error& error) {
            try {
                job->deferred_.Reject(error.Value());
            } catch (const Napi::Error&) {
                // No JavaScript can run any more: a worker is being terminated.
            }
        }
    }
    // Unlike Napi::ThreadSafeFunction this one allocates nothing when it is called.
    using Settle = Napi::TypedThreadSafeFunction<std::nullptr_t, PromiseJob, settle>;

    // Runs on the worker's thread, from where nothing may be thrown.
    void run() noexcept {
        try {
            result_.emplace(work_());
        } catch (...) {
            failure_ = Failure::of(std::current_exception());
        }
        if (!result_ && std::string_view(failure_.code) == "ABORTED" && worker_->stopped()) {
            failure_ = {"DISPOSED", "the model was disposed of"};
        }
        bool delivered = false;
        const auto link = link_;  // the job belongs to the JavaScript thread once it is delivered
        link->while_open([&] {
            Settle deliver = settle_;
            delivered = deliver.BlockingCall(this) == napi_ok;
            if (delivered) deliver.Release();
        });
        if (!delivered) delete this;  // the environment is ending: nobody waits for the promise
    }

    Napi::Promise::Deferred deferred_;
    Settle settle_;
    std::shared_ptr<EnvironmentLink> link_;
    std::shared_ptr<engine::Worker> worker_;  // let go on the JavaScript thread
    Work work_;
    Convert convert_;
    std::optional<Result> result_;
    Failure failure_;
};

// Posts `work` to `worker` and returns a promise of `convert(env, result)`. `work` may throw; it sees `token`, and
// after the worker has been stopped the promise rejects with DISPOSED.
template <typename Result>
Napi::Promise run_job(Napi::Env env, const std::shared_ptr<engine::Worker>& worker,
                      const std::shared_ptr<backend::CancelToken>& token, std::function<Result()> work,
                      std::function<Napi::Value(Napi::Env, Result&)> convert) {
    return PromiseJob<Result>::start(
        std::make_unique<PromiseJob<Result>>(env, worker, std::move(work), std::move(convert)), env, token);
}

}  // namespace nd::addon
