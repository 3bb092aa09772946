// Networks whose weights LoRAs change: the programs that run them.
#include "native/engine/engine.h"

namespace nd::engine {

namespace {

Part part_of(Component component) {
    return component == Component::unet ? Part::unet : Part::text;
}

}  // namespace

std::shared_ptr<const AdapterSet> Engine::create_adapters(const std::vector<AdapterUse>& uses) {
    return adapters_->bind(uses);
}

std::string Engine::adapt(const AdapterSet* adapters, Component component, const CancelToken& token) {
    const std::string at_run_time = adapters_->use(adapters, component, token);
    const std::string ending = at_run_time.empty() ? "" : " with " + at_run_time;
    std::string& now = adapted_[component];
    // The factors of what was in use before are memory.
    if (now != ending && !now.empty()) place(part_of(component)).programs().forget(now);
    return now = ending;
}

std::unique_ptr<Program> Engine::create_program(ops::Formats formats, const AdapterSet* adapters, Component component) {
    auto program = create_program(part_of(component), formats);
    program->low_ranks = adapters_->low_ranks(adapters, component);
    if (program->low_ranks) program->ops.set_low_ranks(program->low_ranks->layers);
    return program;
}

}  // namespace nd::engine
