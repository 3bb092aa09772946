// inspect(path), measure(path, options, request) and load(path, options, cancellation, onProgress).
#pragma once

#include <napi.h>

namespace nd::addon {

Napi::Value inspect(const Napi::CallbackInfo& info);
Napi::Value measure(const Napi::CallbackInfo& info);
Napi::Value load(const Napi::CallbackInfo& info);

}  // namespace nd::addon
