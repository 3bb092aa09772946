// The classes that JavaScript holds: Cancellation, Context, Model. lib/binding/types.ts says what each does.
#pragma once

#include <napi.h>

#include <memory>

#include "native/addon/addon_data.h"
#include "native/addon/failure.h"
#include "native/backend/cancel_token.h"
#include "native/engine/engine.h"
#include "native/engine/worker.h"
#include "native/error.h"

namespace nd::addon {

// A class of the addon. Its objects are marked, and every method asks for the mark: a prototype can be set and a getter
// be called on any object, behind which may stand another class or nothing.
template <typename Self>
class Wrap : public Napi::ObjectWrap<Self> {
  public:
    explicit Wrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Self>(info) {
        info.This().As<Napi::Object>().TypeTag(&Self::kTag);
    }

    // The object behind `value`, or null where it is not of this class.
    static Self* from(const Napi::Value& value) {
        if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&Self::kTag)) return nullptr;
        return Self::Unwrap(value.As<Napi::Object>());
    }

  protected:
    using Method = Napi::Value (Self::*)(const Napi::CallbackInfo&);

    template <Method method>
    static Napi::ClassPropertyDescriptor<Self> instance_method(const char* name) {
        return napi_property_descriptor{.utf8name = name, .method = call<method>, .attributes = napi_default_method};
    }

    template <Method getter>
    static Napi::ClassPropertyDescriptor<Self> instance_accessor(const char* name) {
        return napi_property_descriptor{.utf8name = name, .getter = call<getter>, .attributes = napi_default};
    }

  private:
    template <Method method>
    static napi_value call(napi_env env, napi_callback_info raw) {
        try {
            const Napi::CallbackInfo info(env, raw);
            return guarded(env, [&] {
                Self* self = from(info.This());
                if (!self) fail("INVALID_ARGUMENT", "this: expected a ", Self::kName);
                return (self->*method)(info);
            });
        } catch (const Napi::Error& error) {
            error.ThrowAsJavaScriptException();
            return nullptr;
        }
    }
};

class CancellationWrap : public Wrap<CancellationWrap> {
  public:
    static constexpr napi_type_tag kTag{0x8d5ab1c60c8b4c1e, 0x9f2c2f7d53e04a11};
    static constexpr const char* kName = "Cancellation";
    static Napi::Function define(Napi::Env env);
    explicit CancellationWrap(const Napi::CallbackInfo& info) : Wrap(info) {}

    const std::shared_ptr<backend::CancelToken>& token() const { return token_; }

  private:
    Napi::Value cancel(const Napi::CallbackInfo& info) {
        token_->cancel();
        return info.Env().Undefined();
    }

    std::shared_ptr<backend::CancelToken> token_ = std::make_shared<backend::CancelToken>();
};

class ContextWrap : public Wrap<ContextWrap> {
  public:
    static constexpr napi_type_tag kTag{0x8d5ab1c60c8b4c1e, 0x9f2c2f7d53e04a12};
    static constexpr const char* kName = "Context";
    static Napi::Function define(Napi::Env env);
    static Napi::Object create(Napi::Env env, std::shared_ptr<engine::Context> context,
                               std::shared_ptr<engine::Engine> engine);
    explicit ContextWrap(const Napi::CallbackInfo& info) : Wrap(info) {}

    const std::shared_ptr<engine::Context>& context() const { return context_; }
    const std::shared_ptr<engine::Engine>& engine() const { return engine_; }

  private:
    Napi::Value rows(const Napi::CallbackInfo& info);
    Napi::Value dispose(const Napi::CallbackInfo& info);

    std::shared_ptr<engine::Context> context_;
    std::shared_ptr<engine::Engine> engine_;  // whose keys these are
};

// What one call of a model gives and others take, kept native. `Value` is shared with the calls that run.
template <typename Self, typename Value>
class HandleWrap : public Wrap<Self> {
  public:
    using Wrap<Self>::Wrap;

    static Napi::Function define(Napi::Env env) {
        return Self::DefineClass(env, Self::kName, {Self::template instance_method<&Self::dispose>("dispose")});
    }
    static Napi::Object create(Napi::Env env, std::shared_ptr<Value> value) {
        const Napi::Object object = Self::constructor(env).New({});
        Self::Unwrap(object)->value_ = std::move(value);
        return object;
    }
    // The value in a handle of this kind; INVALID_ARGUMENT for anything else, and for one that is disposed of.
    static std::shared_ptr<Value> of(const Napi::Value& value, const char* name) {
        const Self* self = Self::from(value);
        if (!self || !self->value_)
            fail("INVALID_ARGUMENT", name, ": expected a ", Self::kName, " that is not disposed of");
        return self->value_;
    }
    Napi::Value dispose(const Napi::CallbackInfo& info) {
        value_ = nullptr;
        return info.Env().Undefined();
    }

  protected:
    std::shared_ptr<Value> value_;
};

class HintWrap : public HandleWrap<HintWrap, engine::Hint> {
  public:
    using HandleWrap::HandleWrap;
    static constexpr napi_type_tag kTag{0x8d5ab1c60c8b4c1e, 0x9f2c2f7d53e04a16};
    static constexpr const char* kName = "Hint";
    static Napi::FunctionReference& constructor(Napi::Env env) { return AddonData::of(env).hint; }
    Napi::Value dispose(const Napi::CallbackInfo& info) { return HandleWrap::dispose(info); }
};

class ResidualsWrap : public HandleWrap<ResidualsWrap, engine::Residuals> {
  public:
    using HandleWrap::HandleWrap;
    static constexpr napi_type_tag kTag{0x8d5ab1c60c8b4c1e, 0x9f2c2f7d53e04a17};
    static constexpr const char* kName = "Residuals";
    static Napi::FunctionReference& constructor(Napi::Env env) { return AddonData::of(env).residuals; }
    Napi::Value dispose(const Napi::CallbackInfo& info) { return HandleWrap::dispose(info); }
};

class ModelWrap : public Wrap<ModelWrap> {
  public:
    static constexpr napi_type_tag kTag{0x8d5ab1c60c8b4c1e, 0x9f2c2f7d53e04a13};
    static constexpr const char* kName = "Model";
    static Napi::Function define(Napi::Env env);
    static Napi::Object create(Napi::Env env, std::shared_ptr<engine::Engine> engine,
                               std::shared_ptr<engine::Worker> worker);
    explicit ModelWrap(const Napi::CallbackInfo& info) : Wrap(info) {}

  private:
    Napi::Value info(const Napi::CallbackInfo& info);
    Napi::Value load_own_lora(const Napi::CallbackInfo& info);
    Napi::Value create_adapters(const Napi::CallbackInfo& info);
    Napi::Value encode_text(const Napi::CallbackInfo& info);
    Napi::Value create_context(const Napi::CallbackInfo& info);
    Napi::Value predict_noise(const Napi::CallbackInfo& info);
    Napi::Value decode(const Napi::CallbackInfo& info);
    Napi::Value encode(const Napi::CallbackInfo& info);
    Napi::Value embed_hint(const Napi::CallbackInfo& info);
    Napi::Value control_residuals(const Napi::CallbackInfo& info);
    Napi::Value upscale(const Napi::CallbackInfo& info);
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
    std::shared_ptr<engine::Worker>
        worker_;  // copied before arguments are read, whose getters may dispose of the model
};

}  // namespace nd::addon
