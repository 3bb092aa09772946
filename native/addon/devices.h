// listDevices(): the devices beside the CPU, each that this build has probed.
#pragma once

#include <napi.h>

namespace nd::addon {

Napi::Value list_devices(const Napi::CallbackInfo& info);

}  // namespace nd::addon
