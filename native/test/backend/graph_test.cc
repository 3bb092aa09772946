#include "native/backend/graph.h"

#include <ggml-backend.h>

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
        {x->ne[0], 1, 1, 1}, {x, nullptr}, args,
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
    graph.finish();
    CHECK(graph.bytes() > 0 && graph.bytes() < 10 * 1000 * sizeof(float), graph.bytes(),
          " bytes: maps between are reused");
    const std::vector<float> ones(1000, 1.0f);
    ggml_backend_tensor_set(x, ones.data(), 0, ones.size() * sizeof(float));
    for (int run = 0; run < 3; run++) {
        graph.compute(nullptr);
        std::vector<float> result(1000);
        ggml_backend_tensor_get(y, result.data(), 0, result.size() * sizeof(float));
        CHECK(result == std::vector<float>(1000, 11.0f), "run ", run);
    }
}

TEST("graph: measure tells what finish takes, before it is taken") {
    ThreadPool threads(1);
    Graph graph(threads);
    ggml_tensor* y = add(graph, graph.input(GGML_TYPE_F32, {4096, 1, 1, 1}), {});
    graph.output(y);
    const size_t measured = graph.measure();
    CHECK(graph.bytes() == 0 && measured >= 4096 * sizeof(float));
    graph.finish();
    CHECK(graph.bytes() == measured, graph.bytes(), " and ", measured);
}

TEST("graph: a cancelled run ends between two tasks with ABORTED, and the graph runs again") {
    ThreadPool threads(1);
    Graph graph(threads);
    CancelToken token;
    ggml_tensor* x = graph.input(GGML_TYPE_F32, {100, 1, 1, 1});
    ggml_tensor* y = add(graph, x, {.amount = 1, .cancel_at_task_3 = &token});
    graph.output(y);
    graph.finish();
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
    graph.finish();
    for (int run = 0; run < 20; run++) CHECK(code_of(graph, nullptr) == "OUT_OF_MEMORY");
}
