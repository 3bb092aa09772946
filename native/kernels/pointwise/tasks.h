// The pointwise tasks over any vector type. Tails run through the same arithmetic in a partly filled vector.
#pragma once

#include <cstdint>

#include "native/kernels/pointwise/pointwise.h"
#include "native/kernels/pointwise/variants.h"
#include "native/kernels/simd/math.h"

namespace nd::kernels {

template <class V, class F>
ND_INLINE void map(const float* x, float* y, int64_t n, F f) {
    int64_t i = 0;
    for (; i + V::width <= n; i += V::width) f(V::load(x + i)).store(y + i);
    if (i < n) f(V::load(x + i, n - i, 0.0f)).store(y + i, n - i);
}

template <class V>
void activate(const ActivationArgs& args, int64_t task) {
    const int64_t begin = task * kPointwiseChunk, left = args.size - begin;
    const int64_t n = left < kPointwiseChunk ? left : kPointwiseChunk;
    const float* x = args.x + begin;
    float* y = args.y + begin;
    switch (args.kind) {
        case Activation::silu:
            return map<V>(x, y, n, [](V v) { return silu(v); });
        case Activation::gelu:
            return map<V>(x, y, n, [](V v) { return gelu(v); });
        case Activation::gelu_tanh:
            return map<V>(x, y, n, [](V v) { return gelu_tanh(v); });
        case Activation::quick_gelu:
            return map<V>(x, y, n, [](V v) { return quick_gelu(v); });
    }
}

template <class V>
void gate(const GegluArgs& args, int64_t task) {
    const int64_t n = args.channels, rows = pointwise_rows(n);
    for (int64_t row = task * rows; row < (task + 1) * rows && row < args.rows; ++row) {
        const float* x = args.x + row * 2 * n;
        const float* g = x + n;
        float* y = args.y + row * n;
        int64_t i = 0;
        for (; i + V::width <= n; i += V::width) (V::load(x + i) * gelu(V::load(g + i))).store(y + i);
        if (i < n) (V::load(x + i, n - i, 0.0f) * gelu(V::load(g + i, n - i, 0.0f))).store(y + i, n - i);
    }
}

}  // namespace nd::kernels
