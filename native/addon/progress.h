// A JavaScript function that hears numbers from another thread.
#pragma once

#include <napi.h>

#include <memory>

#include "native/addon/addon_data.h"

namespace nd::addon {

class Progress {
  public:
    // Null where `value` is no function.
    static std::shared_ptr<Progress> create(const Napi::Value& value) {
        return value.IsFunction() ? std::make_shared<Progress>(value.As<Napi::Function>()) : nullptr;
    }

    explicit Progress(const Napi::Function& callback)
        : link_(AddonData::of(callback.Env()).link),
          function_(Napi::ThreadSafeFunction::New(callback.Env(), callback, "node-diffusion progress", 0, 1)) {}
    ~Progress() {
        link_->while_open([&] { function_.Release(); });
    }
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    void report(double fraction) {
        link_->while_open([&] {
            function_.NonBlockingCall([fraction](Napi::Env env, Napi::Function callback) {
                if (static_cast<napi_env>(env) == nullptr) return;
                try {
                    callback.Call({Napi::Number::New(env, fraction)});
                } catch (const Napi::Error&) {
                    // Its callers in lib/model let nothing through; what comes here is an environment that ends.
                }
            });
        });
    }

  private:
    std::shared_ptr<EnvironmentLink> link_;
    Napi::ThreadSafeFunction function_;
};

}  // namespace nd::addon
