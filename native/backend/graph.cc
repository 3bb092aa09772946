#include "native/backend/graph.h"

#include <ggml-backend.h>

#include <algorithm>
#include <exception>
#include <mutex>
#include <unordered_map>

#include "native/error.h"

namespace nd::backend {

namespace {

constexpr size_t kMaxNodes = 16384;  // SD 1.5's UNet has about 1,000, XL's 2,500

// The tensor that this one is written over, or itself.
const ggml_tensor* place_of(const ggml_tensor* tensor) {
    while (tensor->view_src) tensor = tensor->view_src;
    return tensor;
}

}  // namespace

Graph::Graph(ThreadPool& threads) : threads_(threads), context_(kMaxNodes) {}

Graph::~Graph() = default;

ggml_tensor* Graph::add(std::unique_ptr<Node> node, ggml_type type, Extents ne,
                        std::initializer_list<ggml_tensor*> sources) {
    // What ggml would end the process for.
    check_count(nodes_.size(), kMaxNodes, "nodes");
    check_extents(ne);
    ggml_tensor* tensor = ggml_new_tensor(context_.get(), type, 4, ne.data());
    std::copy(sources.begin(), sources.end(), tensor->src);
    tensor->extra = node.get();
    node->dst = tensor;
    nodes_.push_back(std::move(node));
    return tensor;
}

void Graph::retype(ggml_tensor* node, ggml_type type, int64_t row) {
    node->type = type;
    node->ne[0] = row;
    node->nb[0] = ggml_type_size(type);
    node->nb[1] = ggml_row_size(type, row);
    for (int i = 2; i < GGML_MAX_DIMS; i++) node->nb[i] = node->nb[i - 1] * static_cast<size_t>(node->ne[i - 1]);
}

size_t Graph::measure() {
    allocate_inputs(ggml_backend_cpu_buffer_type(), "");
    for (const auto& [node, source] : replacements_) {
        if (node->type == source->type && ggml_are_same_shape(node, source)) node->view_src = source;
    }
    plan_ = plan();
    return plan_.bytes;
}

MemoryPlan Graph::plan() const {
    std::vector<Lifetime> lifetimes;
    std::unordered_map<const ggml_tensor*, size_t> steps;
    for (size_t step = 0; step < nodes_.size(); step++) {
        const ggml_tensor* tensor = nodes_[step]->dst;
        steps[tensor] = step;
        lifetimes.push_back({tensor->view_src ? 0 : ggml_nbytes(tensor), step, step});
        const auto keep_until = [&](const ggml_tensor* needed, size_t last) {
            if (const auto found = steps.find(place_of(needed)); found != steps.end()) {
                lifetimes[found->second].last = std::max(lifetimes[found->second].last, last);
            }
        };
        keep_until(tensor, (tensor->flags & GGML_TENSOR_FLAG_OUTPUT) != 0 ? nodes_.size() : step);
        for (const ggml_tensor* source : tensor->src)
            if (source) keep_until(source, step);
    }
    return plan_memory(lifetimes);
}

void Graph::place(ggml_backend_buffer_t memory) {
    auto* base = static_cast<std::byte*>(ggml_backend_buffer_get_base(memory));
    for (size_t step = 0; step < nodes_.size(); step++) {
        ggml_tensor* tensor = nodes_[step]->dst;
        // What it is written over was placed before.
        tensor->data = tensor->view_src ? place_of(tensor)->data : base + plan_.offsets[step];
        tensor->buffer = memory;
    }
}

void Graph::compute(const CancelToken* token) {
    for (const auto& node : nodes_) {
        run_kernel(*node, token);
        if (token && token->cancelled()) fail("ABORTED", "the computation was cancelled");
    }
}

void Graph::run_kernel(Node& node, const CancelToken* token) {
    node.next.store(0, std::memory_order_relaxed);
    std::mutex mutex;
    std::exception_ptr error;  // the first one: none may leave a thread of the pool
    threads_.run([&] {
        try {
            node.run(token);
        } catch (...) {
            const std::lock_guard lock(mutex);
            if (!error) error = std::current_exception();
        }
    });
    if (error) std::rethrow_exception(error);
}

}  // namespace nd::backend
