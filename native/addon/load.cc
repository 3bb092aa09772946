#include "native/addon/load.h"

#include "native/addon/addon_data.h"
#include "native/addon/arguments.h"
#include "native/addon/progress.h"
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
    const Napi::Value budget = object.Get("memoryBudgetBytes");
    if (!budget.IsNull()) {
        const int64_t bytes = integer(budget, "memoryBudgetBytes");
        if (bytes < 0) throw make_error(value.Env(), "INVALID_ARGUMENT", "memoryBudgetBytes: expected 0 or more");
        options.memory_budget = static_cast<size_t>(bytes);
    }
    const Napi::Value only = object.Get("only");
    if (!only.IsUndefined() && text(only, "only") != "vae") {
        throw make_error(value.Env(), "INVALID_ARGUMENT", "only: expected 'vae' or nothing");
    }
    options.vae_only = !only.IsUndefined();
    const Napi::Value factor = object.Get("scalingFactor");
    if (!factor.IsUndefined()) options.scaling_factor = static_cast<float>(number(factor, "scalingFactor"));
    return options;
}

// Of options that load_options() has checked.
std::string device_name(const Napi::Value& value) {
    const Napi::Value device = value.As<Napi::Object>().Get("device");
    return device.IsUndefined() ? "cpu" : text(device, "device");
}

engine::MemoryRequest memory_request(const Napi::Value& value) {
    if (!value.IsObject()) throw make_error(value.Env(), "INVALID_ARGUMENT", "request: expected an object");
    const auto object = value.As<Napi::Object>();
    engine::MemoryRequest request;
    request.width = integer(object.Get("width"), "width");
    request.height = integer(object.Get("height"), "height");
    request.batch = integer(object.Get("batchSize"), "batchSize");
    request.rows = integer(object.Get("rows"), "rows");
    request.windows = integer(object.Get("windows"), "windows");
    request.encodes_pictures = object.Get("encodesPictures").ToBoolean();
    return request;
}

}  // namespace

Napi::Value measure(const Napi::CallbackInfo& info) {
    auto worker = AddonData::of(info.Env()).link->create_worker();
    auto options = load_options(info[1]);
    options.measures_only = true;
    return run_job<engine::MemoryUse>(
        info.Env(), worker, nullptr,
        [path = text(info[0], "path"), options, request = memory_request(info[2])] {
            return engine::Engine(path, options, {}, nullptr).measure(request);
        },
        [](Napi::Env env, engine::MemoryUse& use) -> Napi::Value {
            auto object = Napi::Object::New(env);
            const auto set = [&](const char* name, size_t bytes) { object[name] = static_cast<double>(bytes); };
            set("weights", use.weights);
            set("compute", use.compute());
            set("inputs", use.inputs);
            set("encodeText", use.encode_text);
            set("createContext", use.create_context);
            set("predictNoise", use.predict_noise);
            set("decode", use.decode);
            set("encode", use.encode);
            return object;
        });
}

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
    const auto progress = Progress::create(info[3]);
    using Loaded = std::shared_ptr<engine::Engine>;
    return run_job<Loaded>(
        info.Env(), worker, stop,
        [path = text(info[0], "path"), options = load_options(info[1]), device = device_name(info[1]), stop,
         progress]() mutable -> Loaded {
            options.device = backend::open_device(device);
            return engine::open_engine(path, options, *stop, [&](double fraction) {
                if (progress) progress->report(fraction);
            });
        },
        [worker](Napi::Env env, Loaded& engine) -> Napi::Value {
            return ModelWrap::create(env, std::move(engine), worker);
        });
}

}  // namespace nd::addon
