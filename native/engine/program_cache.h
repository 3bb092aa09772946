// Built graphs, kept for the shapes that were used last. They run one at a time, so all share one memory.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "native/backend/device_graph.h"
#include "native/backend/graph.h"
#include "native/engine/adapters.h"
#include "native/ops/cpu_ops.h"
#include "native/ops/ggml_ops.h"

namespace nd::engine {

// What words become: our kernels' nodes on the CPU, ggml's operations on a device. One of the two is there.
struct Machine {
    Machine(backend::ThreadPool& threads, ops::Formats formats)
        : cpu_graph(std::make_unique<backend::Graph>(threads)),
          cpu_ops(std::make_unique<ops::CpuOps>(*cpu_graph, formats)) {}
    Machine(std::shared_ptr<backend::Device> device, bool exact)
        : device_graph(std::make_unique<backend::DeviceGraph>(std::move(device))),
          device_ops(std::make_unique<ops::GgmlOps>(*device_graph, exact)) {}

    backend::Computation& graph() const {
        return cpu_graph ? static_cast<backend::Computation&>(*cpu_graph) : *device_graph;
    }
    ops::Ops& ops() const { return cpu_ops ? static_cast<ops::Ops&>(*cpu_ops) : *device_ops; }

    std::unique_ptr<backend::Graph> cpu_graph;
    std::unique_ptr<ops::CpuOps> cpu_ops;
    std::unique_ptr<backend::DeviceGraph> device_graph;
    std::unique_ptr<ops::GgmlOps> device_ops;
};

// A graph with its handles.
struct Program {
    explicit Program(Machine own) : machine(std::move(own)), graph(machine.graph()), ops(machine.ops()) {}

    Machine machine;
    backend::Computation& graph;
    ops::Ops& ops;
    std::vector<ops::Map> inputs, outputs;
    std::vector<ops::Map> added;                      // inputs beside: a ControlNet's hint, or residuals
    ggml_tensor* ids = nullptr;                       // of a text encoder
    ggml_tensor* vectors = nullptr;                   // of a text encoder whose ids go beyond its vocabulary
    uint64_t context_id = 0;                          // whose keys the inputs hold, in a UNet
    std::shared_ptr<const LowRankWeights> low_ranks;  // that the graph reads
};

class ProgramCache {
  public:
    // `limit`: bytes that the memory may have. `device` runs the programs; null: the CPU.
    ProgramCache(size_t limit, const std::shared_ptr<backend::Device>& device) : limit_(limit) {
        if (device) device_memory_.emplace(device);
    }

    // The program of that key, built by `build` where it is not there. Its maps keep their contents, inputs apart,
    // until another program runs. Throws OUT_OF_MEMORY with the bytes wanted.
    Program& get(const std::string& key, const std::function<std::unique_ptr<Program>()>& build);
    // Drops the programs whose keys end so.
    void forget(const std::string& ending);
    // Of the shared memory.
    size_t bytes() const {
        if (device_memory_) return device_memory_->bytes();
        return memory_ ? ggml_backend_buffer_get_size(memory_.get()) : 0;
    }

  private:
    struct Entry {
        std::string key;
        std::unique_ptr<Program> program;
    };

    void place(Program& program, size_t wanted);

    size_t limit_;
    ggml_backend_buffer_ptr memory_;
    std::optional<backend::DeviceMemory> device_memory_;  // in its place
    std::list<Entry> entries_;                            // the last used first
};

}  // namespace nd::engine
