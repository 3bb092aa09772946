// Reads the arguments of native calls; what does not fit throws a JavaScript error with the code INVALID_ARGUMENT.
#pragma once

#include <napi.h>

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "native/backend/cancel_token.h"
#include "native/engine/engine.h"

namespace nd::addon {

std::vector<float> floats(const Napi::Value& value, const char* name);
std::vector<int32_t> ints(const Napi::Value& value, const char* name);
int64_t integer(const Napi::Value& value, const char* name);
double number(const Napi::Value& value, const char* name);
std::string text(const Napi::Value& value, const char* name);
// {pooled, sizeNumbers}, or nothing for null.
std::optional<engine::Addition> addition(const Napi::Value& value);
// {perturbed: {kind, blocks}, guidance}, each optional, or null.
engine::PredictOptions predict_options(const Napi::Value& value);
engine::Shape shape(const Napi::Value& value, const char* name);
// A Cancellation's token, or a fresh one for null.
std::shared_ptr<backend::CancelToken> token(const Napi::Value& value);

Napi::Float32Array to_float32_array(Napi::Env env, std::span<const float> values);
Napi::Object to_object(Napi::Env env, const engine::ModelInfo& info);
Napi::Object to_object(Napi::Env env, const engine::Stats& stats);

}  // namespace nd::addon
