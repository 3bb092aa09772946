#include "native/addon/adapter_wraps.h"

#include <algorithm>

#include "native/addon/addon_data.h"
#include "native/addon/arguments.h"
#include "native/addon/promise_job.h"
#include "native/weights/checks.h"
#include "native/weights/small_tensors.h"

namespace nd::addon {

namespace {

Napi::Object to_object(Napi::Env env, const std::map<std::string, std::string>& texts) {
    auto object = Napi::Object::New(env);
    for (const auto& [key, value] : texts) object[key] = value;
    return object;
}

Napi::Array to_array(Napi::Env env, const std::vector<std::string>& texts) {
    auto array = Napi::Array::New(env, texts.size());
    for (uint32_t i = 0; i < texts.size(); i++) array[i] = texts[i];
    return array;
}

Napi::Number count(Napi::Env env, int64_t n) {
    return Napi::Number::New(env, static_cast<double>(n));
}

Napi::Error disposed(Napi::Env env, const char* what) {
    return make_error(env, "DISPOSED", std::string(what) + " was disposed of");
}

}  // namespace

Napi::Function LoraWrap::define(Napi::Env env) {
    return DefineClass(env, "Lora",
                       {instance_accessor<&LoraWrap::info>("info"), instance_method<&LoraWrap::dispose>("dispose")});
}

void LoraWrap::set(std::shared_ptr<const weights::LoraFile> lora) {
    lora_ = std::move(lora);
    tell_bytes(static_cast<int64_t>(lora_->bytes()));
}

Napi::Value LoraWrap::dispose(const Napi::CallbackInfo& info) {
    release();
    return info.Env().Undefined();
}

void LoraWrap::release() {
    if (lora_) tell_bytes(-static_cast<int64_t>(lora_->bytes()));
    lora_ = nullptr;
}

// Whatever comes of it: this also runs when an environment ends.
void LoraWrap::tell_bytes(int64_t change) {
    int64_t ignored = 0;
    napi_adjust_external_memory(Env(), change, &ignored);
}

Napi::Value LoraWrap::info(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    if (!lora_) throw disposed(env, "the LoRA");
    std::vector<std::string> kinds;
    std::vector<int64_t> ranks;
    for (const auto& [key, layer] : lora_->layers()) {
        if (std::find(kinds.begin(), kinds.end(), layer.kind()) == kinds.end()) kinds.push_back(layer.kind());
        if (layer.rank() > 0) ranks.push_back(layer.rank());
    }
    std::sort(kinds.begin(), kinds.end());
    auto object = Napi::Object::New(env);
    object["kinds"] = to_array(env, kinds);
    object["rank"] = count(env, ranks.empty() ? 0 : *std::max_element(ranks.begin(), ranks.end()));
    object["layers"] = count(env, static_cast<int64_t>(lora_->layers().size()));
    object["tensors"] = count(env, lora_->tensor_count());
    object["bytes"] = count(env, static_cast<int64_t>(lora_->bytes()));
    object["madeFor"] = lora_->made_for();
    object["metadata"] = to_object(env, lora_->metadata());
    return object;
}

Napi::Function AdapterSetWrap::define(Napi::Env env) {
    return DefineClass(
        env, "AdapterSet",
        {instance_accessor<&AdapterSetWrap::reports>("reports"), instance_method<&AdapterSetWrap::dispose>("dispose")});
}

Napi::Object AdapterSetWrap::create(Napi::Env env, std::shared_ptr<const engine::AdapterSet> set,
                                    const std::shared_ptr<engine::Engine>& engine) {
    const Napi::Object object = AddonData::of(env).adapter_set.New({});
    auto* wrap = Unwrap(object);
    wrap->set_ = std::move(set);
    wrap->engine_ = engine;
    return object;
}

Napi::Value AdapterSetWrap::dispose(const Napi::CallbackInfo& info) {
    set_ = nullptr;
    engine_.reset();
    return info.Env().Undefined();
}

Napi::Value AdapterSetWrap::reports(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    if (!set_) throw disposed(env, "the adapters");
    auto array = Napi::Array::New(env);
    for (const engine::AdapterReport& report : set_->reports()) {
        auto object = Napi::Object::New(env);
        object["matched"] = count(env, report.matched);
        object["total"] = count(env, report.total);
        object["unmatched"] = to_array(env, report.unmatched);
        object["unetLayers"] = count(env, report.unet_layers);
        object["textEncoderLayers"] = count(env, report.text_layers);
        array[array.Length()] = object;
    }
    return array;
}

Napi::Value load_lora(const Napi::CallbackInfo& info) {
    using Loaded = std::shared_ptr<const weights::LoraFile>;
    return run_job<Loaded>(
        info.Env(), AddonData::of(info.Env()).link->create_worker(), nullptr,
        [path = text(info[0], "path")]() -> Loaded { return std::make_shared<const weights::LoraFile>(path); },
        [](Napi::Env env, Loaded& lora) -> Napi::Value {
            const Napi::Object object = AddonData::of(env).lora.New({});
            LoraWrap::Unwrap(object)->set(std::move(lora));
            return object;
        });
}

Napi::Value read_tensors(const Napi::CallbackInfo& info) {
    using Tensors = weights::SmallTensors;
    return run_job<Tensors>(
        info.Env(), AddonData::of(info.Env()).link->create_worker(), nullptr,
        [path = text(info[0], "path")] { return weights::read_small_tensors(path); },
        [](Napi::Env env, Tensors& read) -> Napi::Value {
            auto tensors = Napi::Object::New(env);
            for (const auto& [name, tensor] : read.tensors) {
                auto shape = Napi::Array::New(env, tensor.shape.size());
                for (uint32_t i = 0; i < tensor.shape.size(); i++) shape[i] = count(env, tensor.shape[i]);
                auto object = Napi::Object::New(env);
                object["shape"] = shape;
                object["values"] = to_float32_array(env, tensor.values);
                tensors[name] = object;
            }
            auto object = Napi::Object::New(env);
            object["tensors"] = tensors;
            object["metadata"] = to_object(env, read.metadata);
            return object;
        });
}

std::vector<engine::AdapterUse> adapter_uses(const Napi::Value& value) {
    const Napi::Env env = value.Env();
    const auto refuse = [&] {
        return make_error(env, "INVALID_ARGUMENT",
                          "adapters: expected a list of { lora, unetWeight, textEncoderWeight }");
    };
    if (!value.IsArray()) throw refuse();
    const auto array = value.As<Napi::Array>();
    std::vector<engine::AdapterUse> uses;
    for (uint32_t i = 0; i < array.Length(); i++) {
        const Napi::Value item = array.Get(i);
        if (!item.IsObject()) throw refuse();
        const Napi::Value lora = item.As<Napi::Object>().Get("lora");
        const auto* wrap = LoraWrap::from(lora);
        if (!wrap) throw refuse();
        auto held = wrap->lora();  // a getter of what is read next may dispose of it
        if (!held) throw disposed(env, "the LoRA");
        uses.push_back(
            {std::move(held), static_cast<float>(number(item.As<Napi::Object>().Get("unetWeight"), "unetWeight")),
             static_cast<float>(number(item.As<Napi::Object>().Get("textEncoderWeight"), "textEncoderWeight"))});
    }
    return uses;
}

std::shared_ptr<const engine::AdapterSet> adapter_set(const Napi::Value& value,
                                                      const std::shared_ptr<engine::Engine>& owner) {
    if (value.IsNull() || value.IsUndefined()) return nullptr;
    const Napi::Env env = value.Env();
    const auto* wrap = AdapterSetWrap::from(value);
    if (!wrap) throw make_error(env, "INVALID_ARGUMENT", "adapters: expected the result of createAdapters");
    if (!wrap->is_of(owner)) {
        throw make_error(env, "INVALID_ARGUMENT", "adapters: expected those of this model that are not disposed of");
    }
    return wrap->set();
}

}  // namespace nd::addon
