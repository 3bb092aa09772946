// The one way in which native work reaches JavaScript: a job on a model's thread that settles a promise.
#pragma once

#include <napi.h>

#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "native/addon/addon_data.h"
#include "native/engine/worker.h"
#include "native/error.h"

namespace nd::addon {

// A JavaScript Error with the `code` of lib/errors.ts.
inline Napi::Error make_error(Napi::Env env, const std::string& code, const std::string& message) {
    Napi::Error error = Napi::Error::New(env, message);
    error.Set("code", Napi::String::New(env, code));
    return error;
}

// Posts `work` to `worker` and returns a promise of `convert(env, result)`. `work` may throw; it sees `token`, and
// after the worker has been stopped the promise rejects with DISPOSED.
template <typename Result>
Napi::Promise run_job(Napi::Env env, const std::shared_ptr<engine::Worker>& worker,
                      const std::shared_ptr<backend::CancelToken>& token, std::function<Result()> work,
                      std::function<Napi::Value(Napi::Env, Result&)> convert) {
    struct State {
        explicit State(Napi::Env env) : deferred(Napi::Promise::Deferred::New(env)) {}
        Napi::Promise::Deferred deferred;
        Napi::ThreadSafeFunction settle;
        std::shared_ptr<EnvironmentLink> link;
        std::shared_ptr<engine::Worker> worker;  // let go on the JavaScript thread
        std::function<Result()> work;
        std::function<Napi::Value(Napi::Env, Result&)> convert;
        std::optional<Result> result;
        std::string code, message;
    };
    auto* state = new State(env);
    state->settle = Napi::ThreadSafeFunction::New(env, Napi::Function(), "node-diffusion", 0, 1);
    state->link = AddonData::of(env).link;
    state->worker = worker;
    state->work = std::move(work);
    state->convert = std::move(convert);
    const Napi::Promise promise = state->deferred.Promise();

    // Runs on the JavaScript thread; `env` is null where the environment is being torn down.
    const auto settle = [](Napi::Env env, Napi::Function, State* held) {
        const std::unique_ptr<State> state(held);
        if (static_cast<napi_env>(env) == nullptr) return;
        try {
            const Napi::HandleScope scope(env);
            if (!state->result) throw make_error(env, state->code, state->message);
            state->deferred.Resolve(state->convert(env, *state->result));
        } catch (const Napi::Error& error) {
            try {
                state->deferred.Reject(error.Value());
            } catch (const Napi::Error&) {
                // No JavaScript can run any more: a worker is being terminated.
            }
        }
    };
    worker->post({[state, settle] {
                      try {
                          state->result.emplace(state->work());
                      } catch (const Error& error) {
                          state->code = error.code();
                          state->message = error.what();
                      } catch (const std::bad_alloc&) {
                          state->code = "OUT_OF_MEMORY";
                          state->message = "memory for the call could not be allocated";
                      } catch (const std::exception& error) {
                          state->code = "COMPUTE_FAILED";
                          state->message = error.what();
                      }
                      if (state->code == "ABORTED" && state->worker->stopped()) {
                          state->code = "DISPOSED";
                          state->message = "the model was disposed of";
                      }
                      bool delivered = false;
                      const auto link = state->link;  // `state` belongs to the JavaScript thread once it is called
                      link->while_open([&] {
                          Napi::ThreadSafeFunction deliver = state->settle;
                          delivered = deliver.BlockingCall(state, settle) == napi_ok;
                          if (delivered) deliver.Release();
                      });
                      if (!delivered) delete state;  // the environment is ending: nobody waits for the promise
                  },
                  token});
    return promise;
}

}  // namespace nd::addon
