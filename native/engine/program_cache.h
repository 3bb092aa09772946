// Built graphs, kept for the shapes that were used last. They run one at a time, so all share one memory.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "native/backend/graph.h"
#include "native/engine/adapters.h"
#include "native/ops/cpu_ops.h"

namespace nd::engine {

// A graph with its handles.
struct Program {
    Program(backend::ThreadPool& threads, ops::Formats formats) : graph(threads), ops(graph, formats) {}

    backend::Graph graph;
    ops::CpuOps ops;
    std::vector<ops::Map> inputs, outputs;
    std::vector<ops::Map> added;                      // inputs beside: a ControlNet's hint, or residuals
    ggml_tensor* ids = nullptr;                       // of a text encoder
    ggml_tensor* vectors = nullptr;                   // of a text encoder whose ids go beyond its vocabulary
    uint64_t context_id = 0;                          // whose keys the inputs hold, in a UNet
    std::shared_ptr<const LowRankWeights> low_ranks;  // that the graph reads
};

class ProgramCache {
  public:
    // `limit`: bytes that the memory may have.
    explicit ProgramCache(size_t limit) : limit_(limit) {}

    // The program of that key, built by `build` where it is not there. Its maps keep their contents, inputs apart,
    // until another program runs. Throws OUT_OF_MEMORY with the bytes wanted.
    Program& get(const std::string& key, const std::function<std::unique_ptr<Program>()>& build);
    // Drops the programs whose keys end so.
    void forget(const std::string& ending);
    // Of the shared memory.
    size_t bytes() const { return memory_ ? ggml_backend_buffer_get_size(memory_.get()) : 0; }

  private:
    struct Entry {
        std::string key;
        std::unique_ptr<Program> program;
    };

    size_t limit_;
    ggml_backend_buffer_ptr memory_;
    std::list<Entry> entries_;  // the last used first
};

}  // namespace nd::engine
