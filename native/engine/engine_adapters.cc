// Networks whose weights LoRAs change: the programs that run them.
#include "native/engine/engine.h"
#include "native/error.h"

namespace nd::engine {

std::shared_ptr<const AdapterSet> Engine::create_adapters(const std::vector<AdapterUse>& uses) {
    if (device_ && !uses.empty()) {
        fail("INVALID_ARGUMENT", "LoRAs: expected a model on the CPU, but this one is on the device ", device_->name(),
             ": load it with device 'cpu'");
    }
    return adapters_->bind(uses);
}

std::string Engine::adapt(const AdapterSet* adapters, Component component, const CancelToken& token) {
    const std::string at_run_time = adapters_->use(adapters, component, token);
    const std::string ending = at_run_time.empty() ? "" : " with " + at_run_time;
    std::string& now = adapted_[component];
    // The factors of what was in use before are memory.
    if (now != ending && !now.empty()) programs_.forget(now);
    return now = ending;
}

std::unique_ptr<Program> Engine::create_program(ops::Formats formats, const AdapterSet* adapters, Component component) {
    auto program = create_program(formats);
    program->low_ranks = adapters_->low_ranks(adapters, component);
    if (program->low_ranks) program->machine.cpu_ops->set_low_ranks(program->low_ranks->layers);
    return program;
}

}  // namespace nd::engine
