// A computation that is built once and run many times: ggml's tensors, order and memory plan, our kernels as its nodes.
#pragma once

#include <ggml-alloc.h>
#include <ggml-cpp.h>
#include <ggml.h>

#include <array>
#include <atomic>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "native/backend/cancel_token.h"
#include "native/backend/thread_pool.h"

namespace nd::backend {

using Extents = std::array<int64_t, 4>;  // in ggml's order: the innermost dimension first

class Graph {
  public:
    explicit Graph(ThreadPool& threads);
    ~Graph();
    Graph(const Graph&) = delete;
    Graph& operator=(const Graph&) = delete;

    // A tensor in a buffer of its own, which keeps its contents between runs.
    ggml_tensor* input(ggml_type type, Extents ne);
    // Keeps a tensor's memory until the end of the run, so that it can be read.
    void output(ggml_tensor* tensor);

    // Adds a node that runs a kernel: `bind` fills the pointers of its arguments from the node's tensors (dst->src[i]
    // is sources[i], which may be null), `tasks` counts the tasks and `task` runs one of them.
    template <typename Args>
    ggml_tensor* kernel(Extents ne, std::initializer_list<ggml_tensor*> sources, const Args& args,
                        void (*bind)(Args&, const ggml_tensor* dst), int64_t (*tasks)(const Args&),
                        void (*task)(const Args&, int64_t)) {
        auto node = std::make_unique<TypedNode<Args>>();
        node->args = args, node->bind = bind, node->tasks = tasks, node->task = task;
        return add(std::move(node), ne, sources);
    }

    // The bytes that finish() will ask for, inputs not counted.
    size_t measure();
    // Allocates. Throws OUT_OF_MEMORY with the bytes wanted.
    void finish();
    // Runs the kernels in order. Throws ABORTED soon after `token` asks for it, between two tasks of a kernel, or what
    // a kernel threw.
    void compute(const CancelToken* token);

    size_t bytes() const { return bytes_; }
    void count_flops(double flops) { flops_ += flops; }
    double flops() const { return flops_; }

  private:
    struct Node {
        virtual ~Node() = default;
        virtual void run(const ggml_tensor* dst, const CancelToken* token) = 0;
        std::atomic<int64_t> next{0};  // task to be handed out
    };

    template <typename Args>
    struct TypedNode final : Node {
        void run(const ggml_tensor* dst, const CancelToken* token) override {
            Args bound = args;
            bind(bound, dst);
            const int64_t count = tasks(bound);
            for (int64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < count;) {
                if (token && token->cancelled()) return;
                task(bound, i);
            }
        }
        Args args;
        void (*bind)(Args&, const ggml_tensor*) = nullptr;
        int64_t (*tasks)(const Args&) = nullptr;
        void (*task)(const Args&, int64_t) = nullptr;
    };

    ggml_tensor* add(std::unique_ptr<Node> node, Extents ne, std::initializer_list<ggml_tensor*> sources);
    void run_kernel(const ggml_tensor* dst, const CancelToken* token);

    ThreadPool& threads_;
    ggml_context_ptr inputs_, context_;
    ggml_backend_buffer_ptr inputs_buffer_;
    ggml_cgraph* graph_ = nullptr;
    ggml_gallocr_ptr allocator_;
    std::vector<std::unique_ptr<Node>> nodes_;
    size_t bytes_ = 0;
    double flops_ = 0;
};

}  // namespace nd::backend
