// The GroupNorm tasks over any vector type.
//
// Sums of a run are taken per channel, around the channel's first value in the run, in float over at most 128 pixels:
// so a large mean costs no accuracy. From there on all is double: channels, then runs, are joined as in Chan, Golub and
// LeVeque (1979), each with its own mean, never as E[x^2] - E[x]^2.
#pragma once

#include <cmath>
#include <cstdint>
#include <type_traits>

#include "native/kernels/norm/norm.h"
#include "native/kernels/norm/variants.h"
#include "native/kernels/rows/row.h"
#include "native/kernels/scratch.h"
#include "native/kernels/simd/bf16.h"
#include "native/kernels/simd/math.h"

namespace nd::kernels {

// Where a task's pixels lie.
struct NormSlice {
    int64_t picture, first, count;
};

template <class V>
NormSlice norm_slice(const GroupNormArgs& args, int64_t task) {
    const NormRuns runs = norm_runs(args.pixels, args.channels);
    const int64_t first = task % runs.runs * runs.pixels, left = args.pixels - first;
    return {task / runs.runs, first, left < runs.pixels ? left : runs.pixels};
}

// Sums and sums of squares of x - shift over `pixels` pixels, for N vectors of channels; the last holds `last` of them.
template <class V, int N, class X>
ND_NOINLINE void channel_sums(const X* x, int64_t stride, int64_t pixels, int64_t last, const X* shift, float* sums,
                              float* squares) {
    constexpr int W = V::width;
    const auto load = [last](const X* p, int n) {
        return n < N - 1 || last == W ? Whole<V>{}.load(p + n * W) : Part<V>{last}.load(p + n * W);
    };
    V s[N], q[N], k[N];
    ND_UNROLL
    for (int n = 0; n < N; ++n) s[n] = q[n] = V::zero(), k[n] = load(shift, n);
    for (int64_t i = 0; i < pixels; ++i, x += stride) {
        ND_UNROLL
        for (int n = 0; n < N; ++n) {
            const V d = load(x, n) - k[n];
            s[n] = s[n] + d;
            q[n] = V::fma(d, d, q[n]);
        }
    }
    ND_UNROLL
    for (int n = 0; n < N; ++n) s[n].store(sums + n * W), q[n].store(squares + n * W);
}

// Sums of x - x[0] and of its square for every channel of a run.
template <class V, class X>
void run_sums(const X* x, int64_t pixels, int64_t channels, double* sums, double* squares) {
    constexpr int W = V::width, N = 4;
    constexpr int64_t kStretch = 128;
    for (int64_t first = 0; first < pixels; first += kStretch) {
        const int64_t count = pixels - first < kStretch ? pixels - first : kStretch;
        const X* stretch = x + first * channels;
        for (int64_t c = 0; c < channels;) {
            float s[N * W], q[N * W];
            int64_t n = N * W;
            if (channels - c >= n) {
                channel_sums<V, N>(stretch + c, channels, count, W, x + c, s, q);
            } else {
                n = channels - c < W ? channels - c : W;
                channel_sums<V, 1>(stretch + c, channels, count, n, x + c, s, q);
            }
            for (int64_t i = 0; i < n; ++i) {
                sums[c + i] = (first ? sums[c + i] : 0.0) + double(s[i]);
                squares[c + i] = (first ? squares[c + i] : 0.0) + double(q[i]);
            }
            c += n;
        }
    }
}

static ND_INLINE double as_double(float x) {
    return x;
}
static ND_INLINE double as_double(uint16_t x) {
    return from_bf16(x);
}

// A mean and a sum of squared differences for each group of a run.
template <class V, class X>
void group_norm_sums(const GroupNormArgs& args, const X* x, const NormSlice& slice, float* out) {
    double* sums = reinterpret_cast<double*>(scratch(Scratch::sums, static_cast<size_t>(4 * args.channels)));
    double* squares = sums + args.channels;
    run_sums<V>(x, slice.count, args.channels, sums, squares);

    const int64_t width = args.channels / args.groups;
    const double count = double(slice.count), part = 1 / count;
    for (int64_t g = 0; g < args.groups; ++g) {
        double mean = 0, m2 = 0;
        for (int64_t c = g * width; c < (g + 1) * width; ++c) mean += as_double(x[c]) + sums[c] * part;
        mean /= double(width);
        for (int64_t c = g * width; c < (g + 1) * width; ++c) {
            const double delta = as_double(x[c]) + sums[c] * part - mean;
            m2 += squares[c] - sums[c] * sums[c] * part + count * delta * delta;
        }
        out[2 * g] = static_cast<float>(mean);
        out[2 * g + 1] = static_cast<float>(m2);
    }
}

template <class V>
void group_norm_sums(const GroupNormArgs& args, int64_t task) {
    const NormSlice slice = norm_slice<V>(args, task);
    const int64_t first = (slice.picture * args.pixels + slice.first) * args.channels;
    float* out = args.sums + task * args.groups * 2;
    with_values(args.x, args.x_format, [&](const auto* x) { group_norm_sums<V>(args, x + first, slice, out); });
}

// Each channel's mean and its factor gamma / standard deviation.
template <class V>
void group_norm_factors(const GroupNormArgs& args, int64_t picture, float* means, float* factors) {
    const NormRuns runs = norm_runs(args.pixels, args.channels);
    const int64_t width = args.channels / args.groups;
    const auto weight = [&](int64_t run) {
        const int64_t left = args.pixels - run * runs.pixels;
        return double(left < runs.pixels ? left : runs.pixels) / double(args.pixels);
    };
    for (int64_t g = 0; g < args.groups; ++g) {
        const float* sums = args.sums + (picture * runs.runs * args.groups + g) * 2;
        const int64_t step = 2 * args.groups;
        double mean = 0, variance = 0;
        for (int64_t run = 0; run < runs.runs; ++run) mean += weight(run) * sums[run * step];
        for (int64_t run = 0; run < runs.runs; ++run) {
            const double delta = sums[run * step] - mean;
            variance += sums[run * step + 1] / double(args.pixels * width) + weight(run) * delta * delta;
        }
        const double factor = 1 / std::sqrt((variance > 0 ? variance : 0) + args.eps);
        for (int64_t c = g * width; c < (g + 1) * width; ++c) {
            means[c] = static_cast<float>(mean);
            factors[c] = static_cast<float>(factor * (args.gamma ? args.gamma[c] : 1.0f));
        }
    }
}

// (x - mean) * factor + beta, then SiLU.
template <class V, bool kSilu, class X, class Y>
ND_NOINLINE void group_norm_rows(const X* x, Y* y, int64_t rows, int64_t channels, const float* means,
                                 const float* factors, const float* beta) {
    for (int64_t row = 0; row < rows; ++row, x += channels, y += row_stride<Y>(channels)) {
        write_row<V>(y, channels, [=](int64_t c, auto lanes) {
            using L = typename decltype(lanes)::Vector;
            const L shifted = lanes.load(x + c) - lanes.load(means + c);
            const L normal = L::fma(shifted, lanes.load(factors + c), lanes.load(beta + c));
            if constexpr (kSilu) return silu(normal);
            return normal;
        });
    }
}

template <class V>
void group_norm_apply(const GroupNormArgs& args, int64_t task) {
    const NormSlice slice = norm_slice<V>(args, task);
    const int64_t c = args.channels, first = slice.picture * args.pixels + slice.first;
    float* means = scratch(Scratch::sums, static_cast<size_t>(3 * c));
    float *factors = means + c, *beta = factors + c;
    group_norm_factors<V>(args, slice.picture, means, factors);
    for (int64_t i = 0; i < c; ++i) beta[i] = args.beta ? args.beta[i] : 0.0f;
    with_values(args.x, args.x_format, [&](const auto* x) {
        with_rows(args.y, args.y_format, [&](auto* y) {
            using X = std::remove_cvref_t<decltype(*x)>;
            using Y = std::remove_cvref_t<decltype(*y)>;
            const auto rows = args.silu ? group_norm_rows<V, true, X, Y> : group_norm_rows<V, false, X, Y>;
            rows(x + first * c, y + first * row_stride<Y>(c), slice.count, c, means, factors, beta);
        });
    });
}

}  // namespace nd::kernels
