// A computation that is built once and run many times: ggml's tensors, made by our kernels in the order in which they
// were added.
#pragma once

#include <ggml-backend.h>
#include <ggml-cpp.h>
#include <ggml.h>

#include <atomic>
#include <initializer_list>
#include <memory>
#include <utility>
#include <vector>

#include "native/backend/cancel_token.h"
#include "native/backend/computation.h"
#include "native/backend/memory_plan.h"
#include "native/backend/tensor_context.h"
#include "native/backend/thread_pool.h"

namespace nd::backend {

class Graph final : public Computation {
  public:
    explicit Graph(ThreadPool& threads);
    ~Graph() override;
    Graph(const Graph&) = delete;
    Graph& operator=(const Graph&) = delete;

    // Keeps a tensor's memory until the end of the run, so that it can be read.
    static void output(ggml_tensor* tensor) { ggml_set_output(tensor); }

    // Adds a node of `type`, which will run after those that were added before, for a kernel: `bind` fills the pointers
    // of its arguments from the node's tensors (dst->src[i] is sources[i], which may be null), `tasks` counts the tasks
    // and `task` runs one of them.
    template <typename Args>
    ggml_tensor* kernel(ggml_type type, Extents ne, std::initializer_list<ggml_tensor*> sources, const Args& args,
                        void (*bind)(Args&, const ggml_tensor* dst), int64_t (*tasks)(const Args&),
                        void (*task)(const Args&, int64_t)) {
        auto node = std::make_unique<TypedNode<Args>>();
        node->args = args, node->bind = bind, node->tasks = tasks, node->task = task;
        return add(std::move(node), type, ne, sources);
    }

    // Gives a node that nobody reads yet another type, and another length of its rows.
    static void retype(ggml_tensor* node, ggml_type type, int64_t row);

    // Lets a node write over one of its sources, which no node made later reads, where their types and extents agree.
    void write_over(ggml_tensor* node, ggml_tensor* source) { replacements_.emplace_back(node, source); }

    size_t measure() override;
    // Gives the nodes the places that measure() planned in `memory`, which has at least its bytes and must outlive the
    // graph; graphs that do not run at the same time can share it.
    void place(ggml_backend_buffer_t memory);
    // Runs the kernels in order. Throws ABORTED soon after `token` asks for it, between two tasks of a kernel, or what
    // a kernel threw.
    void compute(const CancelToken* token) override;

  private:
    struct Node {
        virtual ~Node() = default;
        virtual void run(const CancelToken* token) = 0;
        ggml_tensor* dst = nullptr;
        std::atomic<int64_t> next{0};  // task to be handed out
    };

    template <typename Args>
    struct TypedNode final : Node {
        void run(const CancelToken* token) override {
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

    ggml_tensor* add(std::unique_ptr<Node> node, ggml_type type, Extents ne,
                     std::initializer_list<ggml_tensor*> sources);
    void run_kernel(Node& node, const CancelToken* token);
    MemoryPlan plan() const;

    ThreadPool& threads_;
    TensorContext context_;
    MemoryPlan plan_;  // of the last measure()
    std::vector<std::unique_ptr<Node>> nodes_;
    std::vector<std::pair<ggml_tensor*, ggml_tensor*>> replacements_;
};

}  // namespace nd::backend
