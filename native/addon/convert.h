// convert(input, output, options, cancellation, onProgress).
#pragma once

#include <napi.h>

namespace nd::addon {

Napi::Value convert(const Napi::CallbackInfo& info);

}  // namespace nd::addon
