#include "native/engine/program_cache.h"

#include <ggml-backend.h>

#include "native/error.h"
#include "native/huge_pages.h"

namespace nd::engine {

// Each describes some thousand tensors: megabytes.
constexpr size_t kMostPrograms = 16;

Program& ProgramCache::get(const std::string& key, const std::function<std::unique_ptr<Program>()>& build) {
    for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
        if (entry->key != key) continue;
        entries_.splice(entries_.begin(), entries_, entry);
        Program& program = *entries_.front().program;
        if (device_memory_) device_memory_->place(*program.machine.device_graph);
        return program;
    }
    auto program = build();
    const size_t wanted = program->graph.measure();
    if (wanted > limit_) {
        fail("OUT_OF_MEMORY", "the call needs a compute buffer of ", wanted, " bytes, more than the memory budget of ",
             limit_, " bytes");
    }
    place(*program, wanted);
    if (entries_.size() == kMostPrograms) entries_.pop_back();
    entries_.push_front({key, std::move(program)});
    return *entries_.front().program;
}

void ProgramCache::place(Program& program, size_t wanted) {
    if (device_memory_) return device_memory_->place(*program.machine.device_graph);
    if (wanted > bytes()) {
        entries_.clear();
        memory_.reset();
        memory_.reset(ggml_backend_buft_alloc_buffer(ggml_backend_cpu_buffer_type(), wanted));
        if (!memory_) fail("OUT_OF_MEMORY", "no memory for a compute buffer of ", wanted, " bytes");
        prefer_huge_pages(ggml_backend_buffer_get_base(memory_.get()), bytes());
    }
    program.machine.cpu_graph->place(memory_.get());
}

void ProgramCache::forget(const std::string& ending) {
    entries_.remove_if([&](const Entry& entry) { return entry.key.ends_with(ending); });
}

}  // namespace nd::engine
