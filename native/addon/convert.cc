#include "native/addon/convert.h"

#include "native/addon/addon_data.h"
#include "native/addon/arguments.h"
#include "native/addon/progress.h"
#include "native/addon/promise_job.h"
#include "native/weights/model_conversion.h"

namespace nd::addon {

namespace {

weights::ConversionOptions conversion_options(const Napi::Value& value) {
    const Napi::Env env = value.Env();
    if (!value.IsObject()) throw make_error(env, "INVALID_ARGUMENT", "options: expected an object");
    const auto object = value.As<Napi::Object>();
    weights::ConversionOptions options;
    options.type = text(object.Get("type"), "type");
    options.vae = text(object.Get("vae"), "vae");
    options.threads = static_cast<int>(integer(object.Get("threads"), "threads"));
    if (options.threads < 1 || options.threads > 512)
        throw make_error(env, "INVALID_ARGUMENT", "threads: expected 1 to 512");
    const Napi::Value rules = object.Get("rules");
    if (!rules.IsArray()) throw make_error(env, "INVALID_ARGUMENT", "rules: expected an array");
    const auto list = rules.As<Napi::Array>();
    for (uint32_t i = 0; i < list.Length(); i++) {
        const Napi::Value rule = list.Get(i);
        if (!rule.IsObject()) throw make_error(env, "INVALID_ARGUMENT", "rules: expected objects");
        options.rules.emplace_back(text(rule.As<Napi::Object>().Get("pattern"), "pattern"),
                                   text(rule.As<Napi::Object>().Get("type"), "type"));
    }
    return options;
}

Napi::Value to_object(Napi::Env env, const weights::ConversionResult& result) {
    const auto count = [&](uint64_t n) { return Napi::Number::New(env, static_cast<double>(n)); };
    auto object = Napi::Object::New(env);
    object["format"] = result.format;
    object["bytes"] = count(result.bytes);
    object["parameters"] = count(static_cast<uint64_t>(result.parameters));
    object["tensors"] = count(result.tensors);
    auto types = Napi::Object::New(env);
    for (const auto& [type, bytes] : result.type_bytes) types[type] = count(bytes);
    object["typeBytes"] = types;
    return object;
}

}  // namespace

Napi::Value convert(const Napi::CallbackInfo& info) {
    auto worker = AddonData::of(info.Env()).link->create_worker();
    auto stop = token(info[3]);
    const auto progress = Progress::create(info[4]);
    return run_job<weights::ConversionResult>(
        info.Env(), worker, stop,
        [input = text(info[0], "input"), output = text(info[1], "output"), options = conversion_options(info[2]), stop,
         progress]() mutable {
            options.cancelled = stop->flag();
            if (progress) options.on_progress = [&](double fraction) { progress->report(fraction); };
            return weights::convert_model(input, output, options);
        },
        [](Napi::Env env, weights::ConversionResult& result) { return to_object(env, result); });
}

}  // namespace nd::addon
