// What the addon keeps for each JavaScript environment (the main thread and every worker thread have one).
#pragma once

#include <napi.h>

namespace nd::addon {

struct AddonData {
    Napi::FunctionReference cancellation, context, model;

    static AddonData& of(Napi::Env env) { return *env.GetInstanceData<AddonData>(); }
};

}  // namespace nd::addon
