#include "native/backend/device_graph.h"

#include <ggml-impl.h>

#include <algorithm>
#include <atomic>

#include "native/error.h"

namespace nd::backend {

namespace {

constexpr size_t kMaxNodes = 65536;    // a word becomes up to a dozen; XL's UNet has some 2,500 words
constexpr size_t kWordNodes = 64;      // that a word may add
constexpr int kSlices = 8;             // of a run, between which an abort is heard
std::atomic<uint64_t> next_number{1};  // a graph's address may come back, its number does not

}  // namespace

DeviceGraph::DeviceGraph(std::shared_ptr<Device> device)
    : device_(std::move(device)),
      context_(kMaxNodes, ggml_graph_overhead_custom(kMaxNodes, false)),
      number_(next_number++),
      graph_(ggml_new_graph_custom(context_.get(), kMaxNodes, false)) {}

ggml_context* DeviceGraph::context() const {
    const size_t room = kWordNodes * ggml_tensor_overhead();
    if (ggml_used_mem(context_.get()) + room > ggml_get_mem_size(context_.get()))
        fail("UNKNOWN_ARCHITECTURE", "the network has more than ", kMaxNodes, " operations");
    return context_.get();
}

void DeviceGraph::output(ggml_tensor* tensor) {
    ggml_set_output(tensor);
    if (tensor->view_src) ggml_set_output(tensor->view_src);
    add(tensor);
}

void DeviceGraph::add(ggml_tensor* node) {
    ggml_build_forward_expand(graph_, node);
    for (; checked_ < ggml_graph_n_nodes(graph_); checked_++) {
        const ggml_tensor* added = ggml_graph_node(graph_, checked_);
        if (device_->supports(added)) continue;
        fail("UNSUPPORTED_TYPE", "the device ", device_->name(), " cannot compute ", ggml_op_desc(added), " of ",
             added->src[0] ? ggml_type_name(added->src[0]->type) : "nothing", " to ", added->ne[0], " x ", added->ne[1],
             " x ", added->ne[2], " x ", added->ne[3], " values");
    }
}

void DeviceGraph::allocate_inputs() {
    Computation::allocate_inputs(device_->buffer_type(), " on the device " + device_->name());
}

size_t DeviceGraph::measure() {
    check_headroom();
    allocate_inputs();
    const Allocator allocator(ggml_gallocr_new(device_->buffer_type()), {device_->handle()});
    size_t size = 0;
    ggml_gallocr_reserve_n_size(allocator.get(), graph_, nullptr, nullptr, &size);
    return size;
}

void DeviceGraph::forget_places() {
    for (ggml_tensor* tensor = ggml_get_first_tensor(context_.get()); tensor != nullptr;
         tensor = ggml_get_next_tensor(context_.get(), tensor)) {
        tensor->data = nullptr;
        tensor->buffer = nullptr;
    }
}

void DeviceGraph::compute(const CancelToken* token) {
    const auto check = [&] {
        if (token && token->cancelled()) fail("ABORTED", "the computation was cancelled");
    };
    const int count = ggml_graph_n_nodes(graph_), slice = count / kSlices + 1;
    for (int first = 0; first < count; first += slice) {
        check();
        ggml_cgraph part = ggml_graph_view(graph_, first, std::min(first + slice, count));
        device_->compute(&part);
    }
    check();
}

void DeviceMemory::place(DeviceGraph& graph) {
    if (placed_ == graph.number_) return;
    check_headroom();
    placed_ = 0;
    graph.allocate_inputs();
    graph.forget_places();
    if (!allocator_) allocator_.reset(ggml_gallocr_new(device_->buffer_type()));
    // Another graph's plan may fit this one's sizes but not its order: planned anew always.
    if (!ggml_gallocr_reserve(allocator_.get(), graph.graph_) ||
        !ggml_gallocr_alloc_graph(allocator_.get(), graph.graph_)) {
        allocator_.reset();
        fail("OUT_OF_MEMORY", "no memory on the device ", device_->name(), " for a compute buffer of ", graph.measure(),
             " bytes");
    }
    placed_ = graph.number_;
}

}  // namespace nd::backend
