#include "native/backend/graph.h"

#include <ggml-backend.h>

#include <exception>
#include <mutex>

#include "native/error.h"

namespace nd::backend {

namespace {

constexpr size_t kMaxNodes = 16384;                 // SD 1.5's UNet has about 1,000, XL's 2,500
constexpr size_t kMaxInputs = 1024;                 // XL's UNet has 140 of keys and values alone
constexpr int64_t kMaxElements = int64_t{1} << 42;  // of a tensor, so that no sum of sizes can overflow

void check_count(size_t count, size_t most, const char* what) {
    if (count >= most) fail("UNKNOWN_ARCHITECTURE", "the network has more than ", most, " ", what);
}

void check_extents(const Extents& ne) {
    int64_t elements = 1;
    for (const int64_t extent : ne) {
        if (extent < 1) fail("INVALID_ARGUMENT", "a map of the network would have a side of ", extent);
        if (extent > kMaxElements / elements) {
            fail("OUT_OF_MEMORY", "a map of the network would have ", ne[0], " x ", ne[1], " x ", ne[2], " x ", ne[3],
                 " values");
        }
        elements *= extent;
    }
}

}  // namespace

Graph::Graph(ThreadPool& threads)
    : threads_(threads),
      inputs_(kMaxInputs),
      context_(kMaxNodes, ggml_graph_overhead_custom(kMaxNodes, false)),
      graph_(ggml_new_graph_custom(context_.get(), kMaxNodes, false)),
      allocator_(ggml_gallocr_new(ggml_backend_cpu_buffer_type())) {}

Graph::~Graph() = default;

ggml_tensor* Graph::input(ggml_type type, Extents ne) {
    check_count(input_count_++, kMaxInputs, "inputs");
    check_extents(ne);
    return ggml_new_tensor(inputs_.get(), type, 4, ne.data());
}

void Graph::output(ggml_tensor* tensor) {
    ggml_set_output(tensor);
}

// What ggml would call if it ran the graph: here a node only carries its kernel, which compute() runs.
static void not_run_by_ggml(ggml_tensor*, int, int, void*) {}

ggml_tensor* Graph::add(std::unique_ptr<Node> node, ggml_type type, Extents ne,
                        std::initializer_list<ggml_tensor*> sources) {
    // What ggml would end the process for.
    check_count(nodes_.size(), kMaxNodes, "nodes");
    check_extents(ne);
    std::vector<ggml_tensor*> args(sources);
    for (const ggml_tensor* source : args) {
        if (source && source->op == GGML_OP_NONE) leaves_.insert(source);
    }
    check_count(leaves_.size(), kMaxNodes, "weights and inputs");
    ggml_tensor* tensor = ggml_custom_4d(context_.get(), type, ne[0], ne[1], ne[2], ne[3], args.data(),
                                         static_cast<int>(args.size()), not_run_by_ggml, GGML_N_TASKS_MAX, nullptr);
    tensor->extra = node.get();
    nodes_.push_back(std::move(node));
    ggml_build_forward_expand(graph_, tensor);
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
    check_headroom();
    // ggml plans only tensors that hold no data yet, so inputs must have their buffer first.
    if (!inputs_buffer_ && ggml_get_first_tensor(inputs_.get())) {
        inputs_buffer_.reset(ggml_backend_alloc_ctx_tensors_from_buft(inputs_.get(), ggml_backend_cpu_buffer_type()));
        if (!inputs_buffer_) {
            fail("OUT_OF_MEMORY", "no memory for the inputs of a graph, ",
                 ggml_backend_alloc_ctx_tensors_from_buft_size(inputs_.get(), ggml_backend_cpu_buffer_type()),
                 " bytes");
        }
    }
    for (const auto& [node, source] : replacements_) {
        if (node->type == source->type && ggml_are_same_shape(node, source)) node->view_src = source;
    }
    size_t size = 0;
    ggml_gallocr_reserve_n_size(allocator_.get(), graph_, nullptr, nullptr, &size);
    return size;
}

void Graph::place(ggml_backend_buffer_t memory) {
    const size_t wanted = measure();
    check_headroom();
    // ggml plans into memory of its own, which nobody touches; the plan is then moved over.
    if (!ggml_gallocr_reserve(allocator_.get(), graph_) || !ggml_gallocr_alloc_graph(allocator_.get(), graph_)) {
        fail("OUT_OF_MEMORY", "no address space for a plan of ", wanted, " bytes");
    }
    auto* to = static_cast<char*>(ggml_backend_buffer_get_base(memory));
    for (int i = 0; i < ggml_graph_n_nodes(graph_); i++) {
        ggml_tensor* node = ggml_graph_node(graph_, i);
        const auto* from = static_cast<char*>(ggml_backend_buffer_get_base(node->buffer));
        node->data = to + (static_cast<char*>(node->data) - from);
        node->buffer = memory;
    }
    allocator_.reset();
}

void Graph::compute(const CancelToken* token) {
    for (int i = 0; i < ggml_graph_n_nodes(graph_); i++) {
        run_kernel(ggml_graph_node(graph_, i), token);
        if (token && token->cancelled()) fail("ABORTED", "the computation was cancelled");
    }
}

void Graph::run_kernel(const ggml_tensor* dst, const CancelToken* token) {
    auto* node = static_cast<Node*>(dst->extra);
    node->next.store(0, std::memory_order_relaxed);
    std::mutex mutex;
    std::exception_ptr error;  // the first one: none may leave a thread of the pool
    threads_.run([&] {
        try {
            node->run(dst, token);
        } catch (...) {
            const std::lock_guard lock(mutex);
            if (!error) error = std::current_exception();
        }
    });
    if (error) std::rethrow_exception(error);
}

}  // namespace nd::backend
