#include "native/engine/program_cache.h"

namespace nd::engine {

Program& ProgramCache::get(const std::string& key, const std::function<std::unique_ptr<Program>()>& build) {
    for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
        if (entry->key != key) continue;
        entries_.splice(entries_.begin(), entries_, entry);
        return *entries_.front().program;
    }
    auto program = build();
    const size_t wanted = program->graph.measure();
    while (!entries_.empty() && bytes() + wanted > budget_) entries_.pop_back();
    program->graph.finish();
    entries_.push_front({key, std::move(program)});
    return *entries_.front().program;
}

size_t ProgramCache::bytes() const {
    size_t sum = 0;
    for (const auto& entry : entries_) sum += entry.program->graph.bytes();
    return sum;
}

}  // namespace nd::engine
