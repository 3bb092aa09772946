#include "native/addon/wraps.h"

#include "native/addon/adapter_wraps.h"
#include "native/addon/addon_data.h"
#include "native/addon/arguments.h"
#include "native/addon/progress.h"
#include "native/addon/promise_job.h"

namespace nd::addon {

namespace {

using Floats = std::vector<float>;

Napi::Value resolve_floats(Napi::Env env, Floats& values) {
    return to_float32_array(env, values);
}

}  // namespace

Napi::Function CancellationWrap::define(Napi::Env env) {
    return DefineClass(env, "Cancellation", {instance_method<&CancellationWrap::cancel>("cancel")});
}

Napi::Function ContextWrap::define(Napi::Env env) {
    return DefineClass(
        env, "Context",
        {instance_accessor<&ContextWrap::rows>("rows"), instance_method<&ContextWrap::dispose>("dispose")});
}

Napi::Object ContextWrap::create(Napi::Env env, std::shared_ptr<engine::Context> context,
                                 std::shared_ptr<engine::Engine> engine) {
    const Napi::Object object = AddonData::of(env).context.New({});
    auto* wrap = Unwrap(object);
    wrap->context_ = std::move(context);
    wrap->engine_ = std::move(engine);
    return object;
}

Napi::Value ContextWrap::rows(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), context_ ? static_cast<double>(context_->rows) : 0);
}

Napi::Value ContextWrap::dispose(const Napi::CallbackInfo& info) {
    context_ = nullptr;
    engine_ = nullptr;
    return info.Env().Undefined();
}

Napi::Function ModelWrap::define(Napi::Env env) {
    return DefineClass(env, "Model",
                       {
                           instance_accessor<&ModelWrap::info>("info"),
                           instance_method<&ModelWrap::load_own_lora>("loadLora"),
                           instance_method<&ModelWrap::create_adapters>("createAdapters"),
                           instance_method<&ModelWrap::encode_text>("encodeText"),
                           instance_method<&ModelWrap::create_context>("createContext"),
                           instance_method<&ModelWrap::predict_noise>("predictNoise"),
                           instance_method<&ModelWrap::decode>("decode"),
                           instance_method<&ModelWrap::encode>("encode"),
                           instance_method<&ModelWrap::embed_hint>("embedHint"),
                           instance_method<&ModelWrap::control_residuals>("controlResiduals"),
                           instance_method<&ModelWrap::upscale>("upscale"),
                           instance_method<&ModelWrap::stats>("stats"),
                           instance_method<&ModelWrap::dispose>("dispose"),
                       });
}

Napi::Object ModelWrap::create(Napi::Env env, std::shared_ptr<engine::Engine> engine,
                               std::shared_ptr<engine::Worker> worker) {
    const Napi::Object object = AddonData::of(env).model.New({});
    auto* wrap = Unwrap(object);
    wrap->engine_ = std::move(engine);
    wrap->worker_ = std::move(worker);
    return object;
}

std::shared_ptr<engine::Engine> ModelWrap::engine(Napi::Env env) const {
    if (!engine_) throw make_error(env, "DISPOSED", "the model was disposed of");
    return engine_;
}

Napi::Value ModelWrap::info(const Napi::CallbackInfo& info) {
    return to_object(info.Env(), engine(info.Env())->info());
}

// Between calls only: the engine's thread writes what this reads while a call runs.
Napi::Value ModelWrap::stats(const Napi::CallbackInfo& info) {
    auto owner = engine(info.Env());
    const auto worker = worker_;
    return run_job<engine::Stats>(
        info.Env(), worker, nullptr, [owner] { return owner->stats(); },
        [](Napi::Env env, engine::Stats& stats) -> Napi::Value { return to_object(env, stats); });
}

Napi::Value ModelWrap::load_own_lora(const Napi::CallbackInfo& info) {
    engine(info.Env());
    return load_lora(info);
}

Napi::Value ModelWrap::create_adapters(const Napi::CallbackInfo& info) {
    auto owner = engine(info.Env());
    const auto worker = worker_;
    using Set = std::shared_ptr<const engine::AdapterSet>;
    return run_job<Set>(
        info.Env(), worker, nullptr, [owner, uses = adapter_uses(info[0])] { return owner->create_adapters(uses); },
        [owner](Napi::Env env, Set& set) -> Napi::Value { return AdapterSetWrap::create(env, std::move(set), owner); });
}

Napi::Value ModelWrap::encode_text(const Napi::CallbackInfo& info) {
    auto owner = engine(info.Env());
    const auto worker = worker_;
    auto stop = token(info[4]);
    const bool has_vectors = !info[6].IsNull() && !info[6].IsUndefined();
    return run_job<engine::EncodedText>(
        info.Env(), worker, stop,
        [owner, stop, ids = ints(info[0], "ids"), rows = integer(info[1], "rows"),
         skip = integer(info[2], "skipLayers"), encoder = integer(info[3], "encoder"),
         adapters = adapter_set(info[5], owner), vectors = has_vectors ? floats(info[6], "vectors") : Floats()] {
            return owner->encode_text(ids, rows, skip, encoder, *stop, adapters.get(), vectors);
        },
        [](Napi::Env env, engine::EncodedText& encoded) -> Napi::Value {
            auto object = Napi::Object::New(env);
            object["embeddings"] = to_float32_array(env, encoded.embeddings);
            object["pooled"] = encoded.pooled.empty() ? env.Null() : Napi::Value(to_float32_array(env, encoded.pooled));
            return object;
        });
}

Napi::Value ModelWrap::create_context(const Napi::CallbackInfo& info) {
    auto owner = engine(info.Env());
    const auto worker = worker_;
    auto stop = token(info[3]);
    return run_job<std::shared_ptr<engine::Context>>(
        info.Env(), worker, stop,
        [owner, stop, embeddings = floats(info[0], "embeddings"), rows = integer(info[1], "rows"),
         added = addition(info[2]), adapters = adapter_set(info[4], owner)] {
            return owner->create_context(embeddings, rows, added ? &*added : nullptr, *stop, adapters);
        },
        [owner](Napi::Env env, std::shared_ptr<engine::Context>& context) -> Napi::Value {
            return ContextWrap::create(env, std::move(context), owner);
        });
}

std::shared_ptr<engine::Context> ModelWrap::context(const Napi::Value& value,
                                                    const std::shared_ptr<engine::Engine>& owner) {
    const Napi::Env env = value.Env();
    if (value.IsNull() || value.IsUndefined()) return nullptr;
    const auto* wrap = ContextWrap::from(value);
    if (!wrap) throw make_error(env, "INVALID_ARGUMENT", "context: expected the result of createContext");
    if (wrap->engine() != owner) {
        throw make_error(env, "INVALID_ARGUMENT", "context: expected one of this model that is not disposed of");
    }
    return wrap->context();
}

Napi::Value ModelWrap::predict_noise(const Napi::CallbackInfo& info) {
    auto owner = engine(info.Env());
    const auto worker = worker_;
    auto stop = token(info[5]);
    return run_job<Floats>(
        info.Env(), worker, stop,
        [owner, stop, latents = floats(info[0], "latents"), size = shape(info[1], "shape"),
         timestep = number(info[2], "timestep"), context = context(info[3], owner),
         options = predict_options(info[4])] {
            return owner->predict_noise(latents, size, timestep, context ? *context : engine::kNoContext, options,
                                        *stop);
        },
        resolve_floats);
}

Napi::Value ModelWrap::run_picture(const Napi::CallbackInfo& info, const char* name, PictureMethod method) {
    auto owner = engine(info.Env());
    const auto worker = worker_;
    auto stop = token(info[2]);
    return run_job<engine::Picture>(
        info.Env(), worker, stop,
        [owner, stop, method, planes = floats(info[0], name), size = shape(info[1], "shape")] {
            return ((*owner).*method)(planes, size, *stop);
        },
        [](Napi::Env env, engine::Picture& picture) -> Napi::Value {
            auto object = Napi::Object::New(env);
            object["values"] = to_float32_array(env, picture.values);
            object["wasRetried"] = picture.was_retried;
            return object;
        });
}

Napi::Value ModelWrap::decode(const Napi::CallbackInfo& info) {
    return run_picture(info, "latents", &engine::Engine::decode);
}

Napi::Value ModelWrap::encode(const Napi::CallbackInfo& info) {
    return run_picture(info, "pixels", &engine::Engine::encode);
}

Napi::Value ModelWrap::embed_hint(const Napi::CallbackInfo& info) {
    auto owner = engine(info.Env());
    const auto worker = worker_;
    auto stop = token(info[2]);
    return run_job<std::shared_ptr<engine::Hint>>(
        info.Env(), worker, stop,
        [owner, stop, pixels = floats(info[0], "hint"), size = shape(info[1], "shape")] {
            return owner->embed_hint(pixels, size, *stop);
        },
        [](Napi::Env env, std::shared_ptr<engine::Hint>& hint) -> Napi::Value {
            return HintWrap::create(env, std::move(hint));
        });
}

Napi::Value ModelWrap::control_residuals(const Napi::CallbackInfo& info) {
    auto owner = engine(info.Env());
    const auto worker = worker_;
    auto stop = token(info[6]);
    const auto own = context(info[3], owner);
    if (!own) throw make_error(info.Env(), "INVALID_ARGUMENT", "context: expected the result of createContext");
    return run_job<std::shared_ptr<engine::Residuals>>(
        info.Env(), worker, stop,
        [owner, stop, own, latents = floats(info[0], "latents"), size = shape(info[1], "shape"),
         timestep = number(info[2], "timestep"), hint = HintWrap::of(info[4], "hint"),
         strengths = floats(info[5], "strengths")] {
            return owner->control_residuals(latents, size, timestep, *own, *hint, strengths, *stop);
        },
        [](Napi::Env env, std::shared_ptr<engine::Residuals>& residuals) -> Napi::Value {
            return ResidualsWrap::create(env, std::move(residuals));
        });
}

Napi::Value ModelWrap::upscale(const Napi::CallbackInfo& info) {
    auto owner = engine(info.Env());
    const auto worker = worker_;
    auto stop = token(info[2]);
    const auto progress = Progress::create(info[3]);
    return run_job<Floats>(
        info.Env(), worker, stop,
        [owner, stop, progress, pixels = floats(info[0], "pixels"), size = shape(info[1], "shape")] {
            return owner->upscale(pixels, size, *stop, [&](double share) {
                if (progress) progress->report(share);
            });
        },
        resolve_floats);
}

Napi::Value ModelWrap::dispose(const Napi::CallbackInfo& info) {
    if (!worker_) {
        auto done = Napi::Promise::Deferred::New(info.Env());
        done.Resolve(info.Env().Undefined());
        return done.Promise();
    }
    // What runs and what waits ends with DISPOSED; the weights go when the last of it has let go of the engine.
    worker_->stop();
    struct Nothing {};
    const auto promise = run_job<Nothing>(
        info.Env(), worker_, nullptr, [] { return Nothing{}; },
        [](Napi::Env env, Nothing&) -> Napi::Value { return env.Undefined(); });
    engine_ = nullptr;
    worker_ = nullptr;
    return promise;
}

}  // namespace nd::addon
