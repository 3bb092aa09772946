// Built graphs, kept for the shapes that were used last, as long as their memory stays within a budget.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "native/backend/graph.h"
#include "native/ops/cpu_ops.h"

namespace nd::engine {

// A graph with its handles.
struct Program {
    explicit Program(backend::ThreadPool& threads) : graph(threads), ops(graph) {}

    backend::Graph graph;
    ops::CpuOps ops;
    std::vector<ops::Map> inputs, outputs;
    ggml_tensor* ids = nullptr;  // of a text encoder
    uint64_t context_id = 0;     // whose keys the inputs hold, in a UNet
};

class ProgramCache {
  public:
    explicit ProgramCache(size_t budget) : budget_(budget) {}

    // The program of that key, built by `build` where it is not there. Older programs go where the budget asks for it.
    Program& get(const std::string& key, const std::function<std::unique_ptr<Program>()>& build);
    size_t bytes() const;

  private:
    struct Entry {
        std::string key;
        std::unique_ptr<Program> program;
    };

    size_t budget_;
    std::list<Entry> entries_;  // the last used first
};

}  // namespace nd::engine
