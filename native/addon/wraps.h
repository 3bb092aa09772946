// The classes that JavaScript holds: Cancellation, Context, Model. lib/binding/types.ts says what each does.
#pragma once

#include <napi.h>

#include <memory>

#include "native/backend/cancel_token.h"
#include "native/engine/engine.h"
#include "native/engine/worker.h"

namespace nd::addon {

class CancellationWrap : public Napi::ObjectWrap<CancellationWrap> {
  public:
    static Napi::Function define(Napi::Env env);
    explicit CancellationWrap(const Napi::CallbackInfo& info) : ObjectWrap(info) {}

    const std::shared_ptr<backend::CancelToken>& token() const { return token_; }

  private:
    void cancel(const Napi::CallbackInfo&) { token_->cancel(); }

    std::shared_ptr<backend::CancelToken> token_ = std::make_shared<backend::CancelToken>();
};

class ContextWrap : public Napi::ObjectWrap<ContextWrap> {
  public:
    static Napi::Function define(Napi::Env env);
    static Napi::Object create(Napi::Env env, std::shared_ptr<engine::Context> context,
                               std::shared_ptr<engine::Engine> engine);
    explicit ContextWrap(const Napi::CallbackInfo& info) : ObjectWrap(info) {}

    const std::shared_ptr<engine::Context>& context() const { return context_; }
    const std::shared_ptr<engine::Engine>& engine() const { return engine_; }

  private:
    Napi::Value rows(const Napi::CallbackInfo& info);
    void dispose(const Napi::CallbackInfo&) {
        context_ = nullptr;
        engine_ = nullptr;
    }

    std::shared_ptr<engine::Context> context_;
    std::shared_ptr<engine::Engine> engine_;  // whose keys these are
};

class ModelWrap : public Napi::ObjectWrap<ModelWrap> {
  public:
    static Napi::Function define(Napi::Env env);
    static Napi::Object create(Napi::Env env, std::shared_ptr<engine::Engine> engine,
                               std::shared_ptr<engine::Worker> worker);
    explicit ModelWrap(const Napi::CallbackInfo& info) : ObjectWrap(info) {}

  private:
    Napi::Value info(const Napi::CallbackInfo& info);
    Napi::Value encode_text(const Napi::CallbackInfo& info);
    Napi::Value create_context(const Napi::CallbackInfo& info);
    Napi::Value predict_noise(const Napi::CallbackInfo& info);
    Napi::Value decode(const Napi::CallbackInfo& info);
    Napi::Value encode(const Napi::CallbackInfo& info);
    Napi::Value stats(const Napi::CallbackInfo& info);
    Napi::Value dispose(const Napi::CallbackInfo& info);

    using PictureMethod = engine::Picture (engine::Engine::*)(std::span<const float>, const engine::Shape&,
                                                              const backend::CancelToken&);
    Napi::Value run_picture(const Napi::CallbackInfo& info, const char* name, PictureMethod method);
    // A Context of `owner`, or null for null.
    static std::shared_ptr<engine::Context> context(const Napi::Value& value,
                                                    const std::shared_ptr<engine::Engine>& owner);
    // The engine, or an error thrown with DISPOSED.
    std::shared_ptr<engine::Engine> engine(Napi::Env env) const;

    std::shared_ptr<engine::Engine> engine_;
    std::shared_ptr<engine::Worker> worker_;
};

}  // namespace nd::addon
