#include "native/backend/graph.h"

#include <ggml-backend.h>
#include <ggml-cpp.h>

#include <tuple>
#include <vector>

#include "native/error.h"
#include "native/test/tap.h"

using namespace nd::backend;

namespace {

struct AddArgs {
    const float* x = nullptr;
    float* y = nullptr;
    int64_t size = 0;
    float amount = 0;
    CancelToken* cancel_at_task_3 = nullptr;
    bool throws = false;
};

// y = x + amount, a task a value.
ggml_tensor* add(Graph& graph, ggml_tensor* x, const AddArgs& args) {
    return graph.kernel<AddArgs>(
        GGML_TYPE_F32, {x->ne[0], 1, 1, 1}, {x, nullptr}, args,
        [](AddArgs& bound, const ggml_tensor* dst) {
            bound.x = static_cast<const float*>(dst->src[0]->data);
            bound.y = static_cast<float*>(dst->data);
            bound.size = dst->ne[0];
        },
        [](const AddArgs& bound) { return bound.size; },
        [](const AddArgs& bound, int64_t i) {
            if (bound.throws && i == 5) nd::fail("OUT_OF_MEMORY", "task 5");
            if (bound.cancel_at_task_3 && i == 3) bound.cancel_at_task_3->cancel();
            bound.y[i] = bound.x[i] + bound.amount;
        });
}

// Measures and places a graph; returns its memory.
ggml_backend_buffer_ptr finish(Graph& graph) {
    ggml_backend_buffer_ptr memory{ggml_backend_buft_alloc_buffer(ggml_backend_cpu_buffer_type(), graph.measure())};
    graph.place(memory.get());
    return memory;
}

std::string code_of(Graph& graph, const CancelToken* token) {
    try {
        graph.compute(token);
    } catch (const nd::Error& error) {
        return error.code();
    }
    return "";
}

}  // namespace

TEST("graph: kernels run in order, and again, and inputs keep their contents") {
    ThreadPool threads(2);
    Graph graph(threads);
    ggml_tensor* x = graph.input(GGML_TYPE_F32, {1000, 1, 1, 1});
    ggml_tensor* y = x;
    for (int i = 0; i < 10; i++) y = add(graph, y, {.amount = 1});
    graph.output(y);
    CHECK(graph.measure() > 0 && graph.measure() < 10 * 1000 * sizeof(float), graph.measure(),
          " bytes: maps between are reused");
    const auto memory = finish(graph);
    const std::vector<float> ones(1000, 1.0f);
    ggml_backend_tensor_set(x, ones.data(), 0, ones.size() * sizeof(float));
    for (int run = 0; run < 3; run++) {
        graph.compute(nullptr);
        std::vector<float> result(1000);
        ggml_backend_tensor_get(y, result.data(), 0, result.size() * sizeof(float));
        CHECK(result == std::vector<float>(1000, 11.0f), "run ", run);
    }
}

TEST("graph: graphs that take turns share one memory") {
    ThreadPool threads(1);
    Graph small(threads), large(threads);
    ggml_tensor* x = small.input(GGML_TYPE_F32, {10, 1, 1, 1});
    ggml_tensor* y = add(small, x, {.amount = 1});
    small.output(y);
    ggml_tensor* u = large.input(GGML_TYPE_F32, {4096, 1, 1, 1});
    ggml_tensor* v = add(large, u, {.amount = 2});
    large.output(v);
    CHECK(large.measure() >= 4096 * sizeof(float));
    small.measure();
    const auto memory = finish(large);
    small.place(memory.get());
    const std::vector<float> ones(4096, 1.0f);
    for (const auto& [graph, in, out, value] :
         {std::tuple{&small, x, y, 2.0f}, {&large, u, v, 3.0f}, {&small, x, y, 2.0f}}) {
        const size_t size = ggml_nbytes(in);
        ggml_backend_tensor_set(in, ones.data(), 0, size);
        graph->compute(nullptr);
        std::vector<float> result(size / sizeof(float));
        ggml_backend_tensor_get(out, result.data(), 0, size);
        CHECK(result == std::vector<float>(result.size(), value), value);
    }
}

TEST("graph: a node may write over a source of its own type and shape") {
    ThreadPool threads(1);
    for (const bool over : {false, true}) {
        Graph graph(threads);
        ggml_tensor* x = graph.input(GGML_TYPE_F32, {1000, 1, 1, 1});
        ggml_tensor* a = add(graph, x, {.amount = 1});
        ggml_tensor* b = add(graph, a, {.amount = 1});
        if (over) graph.write_over(b, a);
        graph.output(b);
        const auto memory = finish(graph);
        CHECK((a->data == b->data) == over);
        const std::vector<float> ones(1000, 1.0f);
        ggml_backend_tensor_set(x, ones.data(), 0, ones.size() * sizeof(float));
        graph.compute(nullptr);
        std::vector<float> result(1000);
        ggml_backend_tensor_get(b, result.data(), 0, result.size() * sizeof(float));
        CHECK(result == std::vector<float>(1000, 3.0f));
    }
}

TEST("graph: a cancelled run ends between two tasks with ABORTED, and the graph runs again") {
    ThreadPool threads(1);
    Graph graph(threads);
    CancelToken token;
    ggml_tensor* x = graph.input(GGML_TYPE_F32, {100, 1, 1, 1});
    ggml_tensor* y = add(graph, x, {.amount = 1, .cancel_at_task_3 = &token});
    graph.output(y);
    const auto memory = finish(graph);
    std::vector<float> values(100, 0.0f);
    ggml_backend_tensor_set(x, values.data(), 0, 400);
    ggml_backend_tensor_set(y, values.data(), 0, 400);
    CHECK(code_of(graph, &token) == "ABORTED");
    ggml_backend_tensor_get(y, values.data(), 0, 400);
    CHECK(values[3] == 1.0f && values[4] == 0.0f, "task 3 was the last");
    CHECK(code_of(graph, nullptr).empty());
    ggml_backend_tensor_get(y, values.data(), 0, 400);
    CHECK(values == std::vector<float>(100, 1.0f));
}

TEST("graph: what a kernel throws on any thread comes out of compute") {
    ThreadPool threads(3);
    Graph graph(threads);
    graph.output(add(graph, graph.input(GGML_TYPE_F32, {100, 1, 1, 1}), {.throws = true}));
    const auto memory = finish(graph);
    for (int run = 0; run < 20; run++) CHECK(code_of(graph, nullptr) == "OUT_OF_MEMORY");
}
