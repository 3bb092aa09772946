#include "native/addon/devices.h"

#include "native/addon/addon_data.h"
#include "native/addon/promise_job.h"
#include "native/backend/device.h"

namespace nd::addon {

Napi::Value list_devices(const Napi::CallbackInfo& info) {
    using Devices = std::vector<backend::DeviceInfo>;
    return run_job<Devices>(
        info.Env(), AddonData::of(info.Env()).link->create_worker(), nullptr, [] { return backend::list_devices(); },
        [](Napi::Env env, Devices& devices) -> Napi::Value {
            auto list = Napi::Array::New(env);
            for (const backend::DeviceInfo& device : devices) {
                auto object = Napi::Object::New(env);
                object["name"] = device.name;
                object["description"] = device.description;
                object["reason"] = device.reason;
                object["isSoftware"] = device.is_software;
                object["memoryBytes"] = static_cast<double>(device.memory);
                object["freeMemoryBytes"] = static_cast<double>(device.free_memory);
                list[list.Length()] = object;
            }
            return list;
        });
}

}  // namespace nd::addon
