#include "native/backend/device_probe.h"

#include <array>
#include <cmath>

#include "native/backend/device_failures.h"
#include "native/backend/tensor_context.h"
#include "native/error.h"

namespace nd::backend {

// y = w x for numbers that every format represents exactly.
void probe(ggml_backend_t backend) {
    constexpr int64_t kIn = 64, kOut = 16, kColumns = 8;
    TensorContext context(8, ggml_graph_overhead());
    ggml_tensor* w = ggml_new_tensor_2d(context.get(), GGML_TYPE_F16, kIn, kOut);
    ggml_tensor* x = ggml_new_tensor_2d(context.get(), GGML_TYPE_F32, kIn, kColumns);
    ggml_tensor* y = ggml_mul_mat(context.get(), w, x);
    if (!ggml_backend_supports_op(backend, y)) fail("COMPUTE_FAILED", "it has no product of matrices");
    ggml_cgraph* graph = ggml_new_graph(context.get());
    ggml_build_forward_expand(graph, y);
    ggml_backend_buffer_t buffer = ggml_backend_alloc_ctx_tensors(context.get(), backend);
    if (buffer == nullptr) fail("OUT_OF_MEMORY", "no memory for a few numbers");
    std::array<ggml_fp16_t, kIn * kOut> weights;
    std::array<float, kIn * kColumns> values;
    for (int64_t i = 0; i < kIn * kOut; i++)
        weights[static_cast<size_t>(i)] = ggml_fp32_to_fp16(static_cast<float>(i / kIn % 5 - 2));
    for (int64_t i = 0; i < kIn * kColumns; i++) values[static_cast<size_t>(i)] = static_cast<float>(i / kIn % 3 + 1);
    ggml_backend_tensor_set(w, weights.data(), 0, sizeof(weights));
    ggml_backend_tensor_set(x, values.data(), 0, sizeof(values));
    run_graph(backend, graph);
    std::array<float, kOut * kColumns> products;
    ggml_backend_tensor_get(y, products.data(), 0, sizeof(products));
    for (int64_t i = 0; i < kOut * kColumns; i++) {
        const auto expected = static_cast<float>(kIn * (i % kOut % 5 - 2) * (i / kOut % 3 + 1));
        const float got = products[static_cast<size_t>(i)];
        if (!(std::abs(got - expected) <= 0.01f * std::abs(expected) + 0.01f))
            fail("COMPUTE_FAILED", "a product came out as ", got, " in place of ", expected);
    }
    ggml_backend_buffer_free(buffer);  // left alone where something failed: see FreeBuffer
}

}  // namespace nd::backend
