#include "native/addon/arguments.h"

#include <cmath>
#include <cstring>

#include "native/addon/addon_data.h"
#include "native/addon/promise_job.h"
#include "native/addon/wraps.h"

namespace nd::addon {

namespace {

[[noreturn]] void refuse(const Napi::Value& value, const char* name, const char* expected) {
    throw make_error(value.Env(), "INVALID_ARGUMENT", std::string(name) + ": expected " + expected);
}

template <typename Array, typename T>
std::vector<T> copy(const Napi::Value& value, const char* name, napi_typedarray_type type, const char* expected) {
    if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != type) refuse(value, name, expected);
    const auto array = value.As<Array>();
    return {array.Data(), array.Data() + array.ElementLength()};
}

}  // namespace

std::vector<float> floats(const Napi::Value& value, const char* name) {
    return copy<Napi::Float32Array, float>(value, name, napi_float32_array, "a Float32Array");
}

std::vector<int32_t> ints(const Napi::Value& value, const char* name) {
    return copy<Napi::Int32Array, int32_t>(value, name, napi_int32_array, "an Int32Array");
}

double number(const Napi::Value& value, const char* name) {
    if (!value.IsNumber() || !std::isfinite(value.As<Napi::Number>().DoubleValue()))
        refuse(value, name, "a finite number");
    return value.As<Napi::Number>().DoubleValue();
}

int64_t integer(const Napi::Value& value, const char* name) {
    const double result = number(value, name);
    if (result != std::floor(result) || std::abs(result) > 9007199254740991.0) refuse(value, name, "an integer");
    return static_cast<int64_t>(result);
}

std::string text(const Napi::Value& value, const char* name) {
    if (!value.IsString()) refuse(value, name, "a string");
    return value.As<Napi::String>().Utf8Value();
}

std::optional<engine::Addition> addition(const Napi::Value& value) {
    if (value.IsNull() || value.IsUndefined()) return std::nullopt;
    if (!value.IsObject()) refuse(value, "addition", "an object or null");
    const auto object = value.As<Napi::Object>();
    return engine::Addition{floats(object.Get("pooled"), "pooled"), floats(object.Get("sizeNumbers"), "sizeNumbers")};
}

static std::vector<std::shared_ptr<const engine::Residuals>> residuals_list(const Napi::Value& value) {
    std::vector<std::shared_ptr<const engine::Residuals>> list;
    if (value.IsUndefined()) return list;
    constexpr uint32_t kMostNets = 16;
    if (!value.IsArray() || value.As<Napi::Array>().Length() > kMostNets) {
        refuse(value, "residuals", "a list of up to 16 results of controlResiduals");
    }
    const auto array = value.As<Napi::Array>();
    for (uint32_t i = 0; i < array.Length(); i++) list.push_back(ResidualsWrap::of(array.Get(i), "residuals"));
    return list;
}

engine::PredictOptions predict_options(const Napi::Value& value) {
    engine::PredictOptions options;
    if (value.IsNull() || value.IsUndefined()) return options;
    if (!value.IsObject()) refuse(value, "options", "an object or null");
    const auto guidance = value.As<Napi::Object>().Get("guidance");
    if (!guidance.IsUndefined()) options.guidance = number(guidance, "guidance");
    options.residuals = residuals_list(value.As<Napi::Object>().Get("residuals"));
    const auto perturbed = value.As<Napi::Object>().Get("perturbed");
    if (perturbed.IsUndefined()) return options;
    if (!perturbed.IsObject()) refuse(perturbed, "perturbed", "an object");
    using Kind = models::Perturbation::Kind;
    const auto kind = text(perturbed.As<Napi::Object>().Get("kind"), "perturbed.kind");
    if (kind != "identity" && kind != "skip") refuse(perturbed, "perturbed.kind", "identity or skip");
    options.perturbed.kind = kind == "skip" ? Kind::skip : Kind::identity;
    const auto blocks = perturbed.As<Napi::Object>().Get("blocks");
    if (!blocks.IsArray()) refuse(blocks, "perturbed.blocks", "an array of strings");
    const auto list = blocks.As<Napi::Array>();
    constexpr uint32_t kMostBlocks = 64;  // a UNet has 33 at most
    if (list.Length() > kMostBlocks) refuse(blocks, "perturbed.blocks", "64 blocks at most");
    for (uint32_t i = 0; i < list.Length(); i++) {
        options.perturbed.blocks.push_back(text(list.Get(i), "perturbed.blocks"));
    }
    return options;
}

engine::Shape shape(const Napi::Value& value, const char* name) {
    if (!value.IsArray() || value.As<Napi::Array>().Length() != 4) refuse(value, name, "[n, channels, height, width]");
    const auto array = value.As<Napi::Array>();
    engine::Shape shape;
    int64_t* const parts[] = {&shape.n, &shape.channels, &shape.height, &shape.width};
    for (uint32_t i = 0; i < 4; i++) {
        *parts[i] = integer(array.Get(i), name);
        // Bounds far above any use, so that a shape's size cannot overflow.
        if (*parts[i] < 1 || *parts[i] > 32768) refuse(value, name, "[n, channels, height, width] of 1 to 32768");
    }
    return shape;
}

std::shared_ptr<backend::CancelToken> token(const Napi::Value& value) {
    if (value.IsNull() || value.IsUndefined()) return std::make_shared<backend::CancelToken>();
    const auto* cancellation = CancellationWrap::from(value);
    if (!cancellation) refuse(value, "cancellation", "a Cancellation or null");
    return cancellation->token();
}

Napi::Float32Array to_float32_array(Napi::Env env, std::span<const float> values) {
    // Copied: Electron forbids external buffers. Made by the constructor: Node-API would end the process where there is
    // no memory for the array.
    const Napi::Function constructor = AddonData::of(env).float32_array.Value();
    try {
        const auto size = Napi::Number::New(env, static_cast<double>(values.size()));
        auto array = constructor.New({size}).As<Napi::Float32Array>();
        std::memcpy(array.Data(), values.data(), values.size_bytes());
        return array;
    } catch (const Napi::Error&) {
        throw make_error(env, "OUT_OF_MEMORY",
                         "no memory for a result of " + std::to_string(values.size_bytes()) + " bytes");
    }
}

Napi::Object to_object(Napi::Env env, const engine::ModelInfo& info) {
    auto object = Napi::Object::New(env);
    object["family"] = info.family;
    object["format"] = info.format;
    auto components = Napi::Object::New(env);
    components["unet"] = info.unet.has_value() && !info.control;
    const auto latent_space = info.latent_space();
    components["vae"] = latent_space.has_value();
    components["textEncoder"] = info.text.has_value();
    components["textEncoder2"] = info.text2.has_value();
    object["components"] = components;
    const auto count = [&](int64_t n) { return Napi::Number::New(env, static_cast<double>(n)); };
    const auto describe_text = [&](const models::ClipTextConfig& config) {
        auto text = Napi::Object::New(env);
        text["layers"] = count(config.layers);
        text["width"] = count(config.width);
        text["heads"] = count(config.heads);
        text["vocabularySize"] = count(config.vocabulary);
        text["contextLength"] = count(config.context_length);
        if (config.projection_width > 0) text["projectionWidth"] = count(config.projection_width);
        return text;
    };
    if (info.text) object["textEncoder"] = describe_text(*info.text);
    if (info.text2) object["textEncoder2"] = describe_text(*info.text2);
    if (info.unet) {
        auto unet = Napi::Object::New(env);
        unet["inChannels"] = count(info.unet->in_channels);
        unet["outChannels"] = count(info.unet->out_channels);
        unet["contextWidth"] = count(info.unet->context_width);
        auto channels = Napi::Array::New(env);
        for (uint32_t i = 0; i < info.unet->levels.size(); i++) channels[i] = count(info.unet->levels[i].channels);
        unet["blockChannels"] = channels;
        if (info.unet->sample_size > 0) unet["sampleSize"] = count(info.unet->sample_size);
        const auto attending = info.unet->attention_blocks();
        auto blocks = Napi::Array::New(env);
        for (uint32_t i = 0; i < attending.size(); i++) blocks[i] = attending[i];
        unet["attentionBlocks"] = blocks;
        if (info.unet->has_addition()) {
            auto addition = Napi::Object::New(env);
            addition["pooledWidth"] = count(info.unet->addition.pooled_width);
            addition["sizeNumbers"] = count(info.unet->addition.size_numbers);
            unet["addition"] = addition;
        }
        unet["takesGuidance"] = info.unet->guidance_width > 0;
        object["unet"] = unet;
    }
    if (info.control) {
        auto control = Napi::Object::New(env);
        control["downscale"] = count(info.control->downscale());
        control["maps"] = count(static_cast<int64_t>(info.control->map_channels.size()));
        object["controlNet"] = control;
    }
    if (info.upscaler) {
        auto upscaler = Napi::Object::New(env);
        upscaler["scale"] = count(info.upscaler->scale());
        upscaler["blocks"] = count(info.upscaler->blocks);
        object["upscaler"] = upscaler;
    }
    if (latent_space) {
        auto vae = Napi::Object::New(env);
        vae["latentChannels"] = count(latent_space->latent_channels);
        vae["scalingFactor"] = Napi::Number::New(env, latent_space->scaling_factor);
        vae["downscale"] = count(latent_space->downscale);
        vae["tiny"] = !info.vae;
        object["vae"] = vae;
    }
    auto prediction = Napi::Object::New(env);
    prediction["type"] = info.prediction.type;
    prediction["betaSchedule"] = info.prediction.beta_schedule;
    prediction["betaStart"] = info.prediction.beta_start;
    prediction["betaEnd"] = info.prediction.beta_end;
    prediction["trainSteps"] = count(info.prediction.train_steps);
    prediction["zeroTerminalSnr"] = info.prediction.zero_terminal_snr;
    if (info.prediction.type == "flow") prediction["flowShift"] = info.prediction.shift;
    if (info.prediction.clip_range > 0) prediction["clipRange"] = info.prediction.clip_range;
    object["prediction"] = prediction;
    object["skippedTextLayers"] = count(info.text ? info.text->skipped_layers : 0);
    object["title"] = info.title;
    object["zeroEmptyNegative"] = info.zero_empty_negative;
    if (info.picture_size > 0) object["pictureSize"] = count(info.picture_size);
    if (!info.scheduler.empty()) object["scheduler"] = info.scheduler;
    object["padToken"] = info.pad_with_end ? "end" : "zero";
    object["defaults"] = info.defaults;
    object["merges"] = info.merges;
    if (!info.precision.empty()) object["precision"] = info.precision;
    if (!info.device.empty()) object["device"] = info.device;
    if (!info.device_reason.empty()) object["deviceReason"] = info.device_reason;
    object["parameters"] = count(info.parameters);
    object["weightBytes"] = count(static_cast<int64_t>(info.weight_bytes));
    return object;
}

static Napi::Object to_object(Napi::Env env, const engine::Operations& operations) {
    auto object = Napi::Object::New(env);
    object["f32"] = operations[0];
    object["bf16"] = operations[1];
    object["int8"] = operations[2];
    return object;
}

Napi::Object to_object(Napi::Env env, const engine::Stats& stats) {
    auto object = Napi::Object::New(env);
    object["encodeTextSeconds"] = stats.encode_text_seconds;
    object["contextSeconds"] = stats.context_seconds;
    object["predictNoiseSeconds"] = stats.predict_noise_seconds;
    object["decodeSeconds"] = stats.decode_seconds;
    object["encodeSeconds"] = stats.encode_seconds;
    object["predictNoiseOperations"] = to_object(env, stats.predict_noise_operations);
    object["decodeOperations"] = to_object(env, stats.decode_operations);
    object["computeBytes"] = static_cast<double>(stats.compute_bytes);
    return object;
}

}  // namespace nd::addon
