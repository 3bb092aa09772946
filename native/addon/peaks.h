// measurePeaks(threads, seconds, cancellation).
#pragma once

#include <napi.h>

namespace nd::addon {

Napi::Value measure_peaks(const Napi::CallbackInfo& info);

}  // namespace nd::addon
