// The LayerNorm task over any vector type: a row's mean, then its variance around that mean, then the result.
#pragma once

#include <cmath>
#include <cstdint>

#include "native/kernels/norm/norm.h"
#include "native/kernels/norm/variants.h"
#include "native/kernels/simd/config.h"

namespace nd::kernels {

// The sum of f(x[i]) over a row, in four interleaved vectors. `pad` fills the last vector: f(pad) must be 0.
template <class V, class F>
ND_INLINE double row_sum(const float* x, int64_t n, float pad, F f) {
    constexpr int W = V::width;
    V s[4] = {V::zero(), V::zero(), V::zero(), V::zero()};
    int64_t i = 0;
    for (; i + 4 * W <= n; i += 4 * W) {
        ND_UNROLL
        for (int j = 0; j < 4; ++j) s[j] = s[j] + f(V::load(x + i + j * W));
    }
    for (; i + W <= n; i += W) s[0] = s[0] + f(V::load(x + i));
    if (i < n) s[1] = s[1] + f(V::load(x + i, n - i, pad));
    return double(V::sum((s[0] + s[1]) + (s[2] + s[3])));
}

template <class V>
void layer_norm(const LayerNormArgs& args, int64_t task) {
    constexpr int W = V::width;
    const int64_t n = args.channels, rows = layer_norm_rows(n);
    for (int64_t row = task * rows; row < (task + 1) * rows && row < args.rows; ++row) {
        const float* x = args.x + row * n;
        float* y = args.y + row * n;
        const float mean = static_cast<float>(row_sum<V>(x, n, 0.0f, [](V v) { return v; }) / double(n));
        const V m = V::set(mean);
        const double squares = row_sum<V>(x, n, mean, [m](V v) { return (v - m) * (v - m); });
        const V factor = V::set(static_cast<float>(1 / std::sqrt(squares / double(n) + args.eps)));
        const auto finish = [&](V value, V gamma, V beta) { return V::fma((value - m) * factor, gamma, beta); };
        const V one = V::set(1.0f), zero = V::zero();
        int64_t c = 0;
        for (; c + W <= n; c += W) {
            finish(V::load(x + c), args.gamma ? V::load(args.gamma + c) : one,
                   args.beta ? V::load(args.beta + c) : zero)
                .store(y + c);
        }
        if (const int64_t k = n - c; k > 0) {
            finish(V::load(x + c, k, 0.0f), args.gamma ? V::load(args.gamma + c, k, 0.0f) : one,
                   args.beta ? V::load(args.beta + c, k, 0.0f) : zero)
                .store(y + c, k);
        }
    }
}

}  // namespace nd::kernels
