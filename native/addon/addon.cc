// The addon's export table. lib/binding/types.ts types all of it.
#include <ggml.h>
#include <napi.h>

#include "native/addon/adapter_wraps.h"
#include "native/addon/addon_data.h"
#include "native/addon/convert.h"
#include "native/addon/devices.h"
#include "native/addon/load.h"
#include "native/addon/peaks.h"
#include "native/addon/wraps.h"
#include "native/backend/device_failures.h"
#include "native/kernels/cpu.h"

namespace nd::addon {

namespace {

// Two classes of one mark would be taken for each other.
template <typename... Classes>
constexpr bool have_own_tags() {
    const uint64_t tags[] = {Classes::kTag.upper...};
    for (size_t i = 0; i < sizeof...(Classes); ++i) {
        for (size_t j = 0; j < i; ++j) {
            if (tags[i] == tags[j]) return false;
        }
    }
    return true;
}
static_assert(
    have_own_tags<CancellationWrap, ContextWrap, HintWrap, ResidualsWrap, ModelWrap, LoraWrap, AdapterSetWrap>());

Napi::Object init(Napi::Env env, Napi::Object exports) {
    backend::throw_what_ggml_aborts_at();
    auto* data = new AddonData();
    env.SetInstanceData(data);  // deleted with the environment
    env.AddCleanupHook([link = data->link] { link->close(); });
    data->float32_array = Napi::Persistent(env.Global().Get("Float32Array").As<Napi::Function>());
    data->context = Napi::Persistent(ContextWrap::define(env));
    data->hint = Napi::Persistent(HintWrap::define(env));
    data->residuals = Napi::Persistent(ResidualsWrap::define(env));
    data->model = Napi::Persistent(ModelWrap::define(env));
    data->lora = Napi::Persistent(LoraWrap::define(env));
    data->adapter_set = Napi::Persistent(AdapterSetWrap::define(env));

    exports["ggmlVersion"] = ggml_version();
    exports["isa"] = kernels::isa_name(kernels::isa());
    exports["Cancellation"] = CancellationWrap::define(env);
    exports["inspect"] = Napi::Function::New(env, guarded<inspect>, "inspect");
    exports["convert"] = Napi::Function::New(env, guarded<convert>, "convert");
    exports["measure"] = Napi::Function::New(env, guarded<measure>, "measure");
    exports["measurePeaks"] = Napi::Function::New(env, guarded<measure_peaks>, "measurePeaks");
    exports["listDevices"] = Napi::Function::New(env, guarded<list_devices>, "listDevices");
    exports["load"] = Napi::Function::New(env, guarded<load>, "load");
    exports["loadLora"] = Napi::Function::New(env, guarded<load_lora>, "loadLora");
    exports["readTensors"] = Napi::Function::New(env, guarded<read_tensors>, "readTensors");
    return exports;
}

}  // namespace

}  // namespace nd::addon

static Napi::Object init_addon(Napi::Env env, Napi::Object exports) {
    return nd::addon::init(env, exports);
}
NODE_API_MODULE(NODE_GYP_MODULE_NAME, init_addon)
