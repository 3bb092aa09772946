// The classes that JavaScript holds for adapters: Lora, AdapterSet. lib/binding/types.ts says what each does.
#pragma once

#include <napi.h>

#include <memory>

#include "native/addon/wraps.h"
#include "native/engine/adapters.h"
#include "native/engine/engine.h"

namespace nd::addon {

class LoraWrap : public Wrap<LoraWrap> {
  public:
    static constexpr napi_type_tag kTag{0x8d5ab1c60c8b4c1e, 0x9f2c2f7d53e04a14};
    static constexpr const char* kName = "Lora";
    static Napi::Function define(Napi::Env env);
    explicit LoraWrap(const Napi::CallbackInfo& info) : Wrap(info) {}
    ~LoraWrap() override { release(); }

    const std::shared_ptr<const weights::LoraFile>& lora() const { return lora_; }
    void set(std::shared_ptr<const weights::LoraFile> lora);

  private:
    Napi::Value info(const Napi::CallbackInfo& info);
    Napi::Value dispose(const Napi::CallbackInfo& info);
    void release();
    void tell_bytes(int64_t change);  // to the garbage collector

    std::shared_ptr<const weights::LoraFile> lora_;
};

class AdapterSetWrap : public Wrap<AdapterSetWrap> {
  public:
    static constexpr napi_type_tag kTag{0x8d5ab1c60c8b4c1e, 0x9f2c2f7d53e04a15};
    static constexpr const char* kName = "AdapterSet";
    static Napi::Function define(Napi::Env env);
    static Napi::Object create(Napi::Env env, std::shared_ptr<const engine::AdapterSet> set,
                               const std::shared_ptr<engine::Engine>& engine);
    explicit AdapterSetWrap(const Napi::CallbackInfo& info) : Wrap(info) {}

    const std::shared_ptr<const engine::AdapterSet>& set() const { return set_; }
    bool is_of(const std::shared_ptr<engine::Engine>& engine) const { return engine_.lock() == engine; }

  private:
    Napi::Value reports(const Napi::CallbackInfo& info);
    Napi::Value dispose(const Napi::CallbackInfo& info);

    std::shared_ptr<const engine::AdapterSet> set_;
    std::weak_ptr<engine::Engine> engine_;  // whose weights these change
};

// loadLora(path) and readTensors(path).
Napi::Value load_lora(const Napi::CallbackInfo& info);
Napi::Value read_tensors(const Napi::CallbackInfo& info);

// [{ lora, unetWeight, textEncoderWeight }, ...]
std::vector<engine::AdapterUse> adapter_uses(const Napi::Value& value);
// An AdapterSet of `owner`, or null for null.
std::shared_ptr<const engine::AdapterSet> adapter_set(const Napi::Value& value,
                                                      const std::shared_ptr<engine::Engine>& owner);

}  // namespace nd::addon
