// What the addon keeps for each JavaScript environment (the main thread and every worker thread have one).
#pragma once

#include <napi.h>

#include <memory>

#include "native/addon/environment_link.h"

namespace nd::addon {

struct AddonData {
    Napi::FunctionReference context, hint, residuals, model, lora, adapter_set;
    Napi::FunctionReference float32_array;  // as it was when the addon was loaded
    std::shared_ptr<EnvironmentLink> link = std::make_shared<EnvironmentLink>();

    static AddonData& of(Napi::Env env) { return *env.GetInstanceData<AddonData>(); }
};

}  // namespace nd::addon
