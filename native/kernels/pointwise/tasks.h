// The pointwise tasks over any vector type. Tails run through the same arithmetic in a partly filled vector.
#pragma once

#include <cstdint>
#include <type_traits>

#include "native/kernels/pointwise/pointwise.h"
#include "native/kernels/rows/cut.h"
#include "native/kernels/rows/row.h"
#include "native/kernels/rows/task.h"
#include "native/kernels/simd/math.h"

namespace nd::kernels {

template <class V, class X, class Y, class F>
ND_NOINLINE void map_row(const X* x, Y* y, int64_t n, F f) {
    write_row<V>(y, n, [=](int64_t c, auto lanes) { return f(lanes.load(x + c)); });
}

template <class V, class X, class Y>
void activate_row(Activation kind, const X* x, Y* y, int64_t n) {
    switch (kind) {
        case Activation::silu:
            return map_row<V>(x, y, n, [](auto v) { return silu(v); });
        case Activation::gelu:
            return map_row<V>(x, y, n, [](auto v) { return gelu(v); });
        case Activation::gelu_tanh:
            return map_row<V>(x, y, n, [](auto v) { return gelu_tanh(v); });
        case Activation::quick_gelu:
            return map_row<V>(x, y, n, [](auto v) { return quick_gelu(v); });
        case Activation::relu:
            return map_row<V>(x, y, n, [](auto v) { return decltype(v)::max(decltype(v)::zero(), v); });
        case Activation::leaky_relu:
            return map_row<V>(x, y, n, [](auto v) { return decltype(v)::max(v * decltype(v)::set(0.2f), v); });
    }
}

template <class V>
void activate(const ActivationArgs& args, int64_t task) {
    const int64_t n = args.channels;
    with_values(args.x, args.x_format, [&](const auto* x) {
        with_rows(args.y, args.y_format, [&](auto* y) {
            using Y = std::remove_cvref_t<decltype(*y)>;
            each_row(args.rows, n, task,
                     [&](int64_t row) { activate_row<V>(args.kind, x + row * n, y + row * row_stride<Y>(n), n); });
        });
    });
}

template <class V, class A, class B, class Y>
ND_NOINLINE void add_row(const A* a, const B* b, Y* y, int64_t n, float scale) {
    write_row<V>(y, n, [=](int64_t c, auto lanes) {
        using L = typename decltype(lanes)::Vector;
        return L::fma(lanes.load(a + c), L::set(scale), lanes.load(b + c));
    });
}

template <class V>
void sum(const AddArgs& args, int64_t task) {
    const int64_t n = args.channels;
    with_values(args.a, args.a_format, [&](const auto* a) {
        with_values(args.b, args.b_format, [&](const auto* b) {
            with_rows(args.y, args.y_format, [&](auto* y) {
                using Y = std::remove_cvref_t<decltype(*y)>;
                each_row(args.rows, n, task, [&](int64_t row) {
                    add_row<V>(a + row * n, b + row % args.b_rows * n, y + row * row_stride<Y>(n), n, args.scale);
                });
            });
        });
    });
}

// A map of n channels into the channels from y on, of `channels` in all.
template <class V, class Y>
void join_map(const void* values, Format format, Y* y, int64_t n, int64_t rows, int64_t channels, int64_t task) {
    with_values(values, format, [&](const auto* x) {
        each_row(rows, channels, task, [&](int64_t row) { convert_row<V>(x + row * n, y + row * channels, n); });
    });
}

template <class V>
void join(const ConcatArgs& args, int64_t task) {
    const int64_t channels = args.a_channels + args.b_channels;
    const auto both = [&](auto* y) {
        join_map<V>(args.a, args.a_format, y, args.a_channels, args.rows, channels, task);
        join_map<V>(args.b, args.b_format, y + args.a_channels, args.b_channels, args.rows, channels, task);
    };
    args.y_format == Format::f32 ? both(static_cast<float*>(args.y)) : both(static_cast<uint16_t*>(args.y));
}

template <class V, class X, class Y>
ND_NOINLINE void add_row(const X* x, const float* addend, Y* y, int64_t n) {
    write_row<V>(y, n, [=](int64_t c, auto lanes) { return lanes.load(x + c) + lanes.load(addend + c); });
}

template <class V>
void add(const AddRowsArgs& args, int64_t task) {
    const int64_t n = args.channels;
    with_values(args.x, args.x_format, [&](const auto* x) {
        const auto to = [&](auto* y) {
            each_row(args.rows, n, task, [&](int64_t row) {
                add_row<V>(x + row * n, args.addends + row / args.rows_per_addend * n, y + row * n, n);
            });
        };
        args.y_format == Format::f32 ? to(static_cast<float*>(args.y)) : to(static_cast<uint16_t*>(args.y));
    });
}

}  // namespace nd::kernels
