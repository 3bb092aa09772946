#include "native/addon/load.h"

#include "native/addon/addon_data.h"
#include "native/addon/arguments.h"
#include "native/addon/promise_job.h"
#include "native/addon/wraps.h"

namespace nd::addon {

namespace {

engine::LoadOptions load_options(const Napi::Value& value) {
    if (!value.IsObject()) throw make_error(value.Env(), "INVALID_ARGUMENT", "options: expected an object");
    const auto object = value.As<Napi::Object>();
    engine::LoadOptions options;
    options.precision = text(object.Get("precision"), "precision");
    options.threads = static_cast<int>(integer(object.Get("threads"), "threads"));
    if (options.threads < 1 || options.threads > 512) {
        throw make_error(value.Env(), "INVALID_ARGUMENT", "threads: expected 1 to 512");
    }
    const int64_t budget = integer(object.Get("memoryBudgetBytes"), "memoryBudgetBytes");
    if (budget < 0) throw make_error(value.Env(), "INVALID_ARGUMENT", "memoryBudgetBytes: expected 0 or more");
    options.memory_budget = static_cast<size_t>(budget);
    return options;
}

// A JavaScript function that hears numbers from another thread.
class Progress {
  public:
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
                    // lib/model/model.ts lets nothing through; what comes here is an environment that ends.
                }
            });
        });
    }

  private:
    std::shared_ptr<EnvironmentLink> link_;
    Napi::ThreadSafeFunction function_;
};

}  // namespace

Napi::Value inspect(const Napi::CallbackInfo& info) {
    auto worker = AddonData::of(info.Env()).link->create_worker();
    return run_job<engine::ModelInfo>(
        info.Env(), worker, nullptr,
        [path = text(info[0], "path")] { return engine::describe(weights::ModelFile::open(path)); },
        [](Napi::Env env, engine::ModelInfo& model) -> Napi::Value { return to_object(env, model); });
}

Napi::Value load(const Napi::CallbackInfo& info) {
    auto worker = AddonData::of(info.Env()).link->create_worker();
    auto stop = token(info[2]);
    const auto progress = info[3].IsFunction() ? std::make_shared<Progress>(info[3].As<Napi::Function>()) : nullptr;
    using Loaded = std::shared_ptr<engine::Engine>;
    return run_job<Loaded>(
        info.Env(), worker, stop,
        [path = text(info[0], "path"), options = load_options(info[1]), stop, progress]() -> Loaded {
            return std::make_shared<engine::Engine>(path, options, *stop, [&](double fraction) {
                if (progress) progress->report(fraction);
            });
        },
        [worker](Napi::Env env, Loaded& engine) -> Napi::Value {
            return ModelWrap::create(env, std::move(engine), worker);
        });
}

}  // namespace nd::addon
