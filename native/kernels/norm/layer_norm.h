// The LayerNorm task over any vector type: a row's mean, then its variance around that mean, then the result.
#pragma once

#include <cmath>
#include <cstdint>
#include <type_traits>

#include "native/kernels/norm/norm.h"
#include "native/kernels/rows/cut.h"
#include "native/kernels/rows/row.h"
#include "native/kernels/simd/config.h"

namespace nd::kernels {

// The sum of f(x[i]) over a row, in four interleaved vectors. `pad` fills the last vector: f(pad) must be 0.
template <class V, class X, class F>
ND_INLINE double row_sum(const X* x, int64_t n, float pad, F f) {
    constexpr int W = V::width;
    V s[4] = {V::zero(), V::zero(), V::zero(), V::zero()};
    int64_t i = 0;
    for (; i + 4 * W <= n; i += 4 * W) {
        ND_UNROLL
        for (int j = 0; j < 4; ++j) s[j] = s[j] + f(Whole<V>{}.load(x + i + j * W));
    }
    for (; i + W <= n; i += W) s[0] = s[0] + f(Whole<V>{}.load(x + i));
    if (i < n) s[1] = s[1] + f(Part<V>{n - i}.load(x + i, pad));
    return double(V::sum((s[0] + s[1]) + (s[2] + s[3])));
}

template <class V, class X, class Y>
ND_NOINLINE void layer_norm_row(const LayerNormArgs& args, const X* x, Y* y) {
    const int64_t n = args.channels;
    const float mean = static_cast<float>(row_sum<V>(x, n, 0.0f, [](V v) { return v; }) / double(n));
    const V m = V::set(mean);
    const double squares = row_sum<V>(x, n, mean, [m](V v) { return (v - m) * (v - m); });
    const float factor = static_cast<float>(1 / std::sqrt(squares / double(n) + args.eps));
    const float *gamma = args.gamma, *beta = args.beta;
    write_row<V>(y, n, [=](int64_t c, auto lanes) {
        using L = typename decltype(lanes)::Vector;
        return L::fma((lanes.load(x + c) - L::set(mean)) * L::set(factor), gamma ? lanes.load(gamma + c) : L::set(1.0f),
                      beta ? lanes.load(beta + c) : L::zero());
    });
}

template <class V>
void layer_norm(const LayerNormArgs& args, int64_t task) {
    const int64_t n = args.channels;
    with_values(args.x, args.x_format, [&](const auto* x) {
        with_rows(args.y, args.y_format, [&](auto* y) {
            using Y = std::remove_cvref_t<decltype(*y)>;
            each_row(args.rows, n, task,
                     [&](int64_t row) { layer_norm_row<V>(args, x + row * n, y + row * row_stride<Y>(n)); });
        });
    });
}

}  // namespace nd::kernels
