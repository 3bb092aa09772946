// A computation of ggml's own operations on a device.
#pragma once

#include <memory>

#include "native/backend/computation.h"
#include "native/backend/device.h"
#include "native/backend/tensor_context.h"

namespace nd::backend {

class DeviceGraph;

// Where the nodes of graphs live that run one at a time: as large as the largest of them, planned anew for each.
class DeviceMemory {
  public:
    explicit DeviceMemory(std::shared_ptr<Device> device)
        : device_(std::move(device)), allocator_(nullptr, {device_->handle()}) {}

    // Gives the graph's nodes their places; those of the graph before are gone. Throws OUT_OF_MEMORY.
    void place(DeviceGraph& graph);
    size_t bytes() const { return allocator_ ? ggml_gallocr_get_buffer_size(allocator_.get(), 0) : 0; }

  private:
    std::shared_ptr<Device> device_;
    Allocator allocator_;
    uint64_t placed_ = 0;  // the number of the graph that is there
};

class DeviceGraph final : public Computation {
  public:
    explicit DeviceGraph(std::shared_ptr<Device> device);
    ~DeviceGraph() override { free_inputs(); }

    // Where ggml's functions make nodes: there is room for those of a word, else UNKNOWN_ARCHITECTURE is thrown.
    ggml_context* context() const;
    // Keeps a tensor's memory until the end of the run, so that it can be read.
    void output(ggml_tensor* tensor);
    // Adds a node with all that it reads. Throws UNSUPPORTED_TYPE where the device cannot compute one of them.
    void add(ggml_tensor* node);

    const Device& device() const { return *device_; }
    size_t measure() override;
    // `token` is looked at between slices of the run.
    void compute(const CancelToken* token) override;

  private:
    friend class DeviceMemory;
    void allocate_inputs();
    void forget_places();

    std::shared_ptr<Device> device_;
    TensorContext context_;
    int checked_ = 0;  // nodes that the device is known to compute
    uint64_t number_;
    ggml_cgraph* graph_ = nullptr;
};

}  // namespace nd::backend
