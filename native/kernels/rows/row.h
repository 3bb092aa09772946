// Reading and writing rows of any format, over any vector type. The type of a pointer says the format: float is f32,
// uint16_t bf16, uint8_t an i8 row.
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#include "native/kernels/rows/format.h"
#include "native/kernels/scratch.h"
#include "native/kernels/simd/config.h"
#include "native/kernels/simd/math.h"
#include "native/kernels/simd/pair.h"

namespace nd::kernels {

template <class T>
constexpr Format kFormatOf = std::is_same_v<T, float>      ? Format::f32
                             : std::is_same_v<T, uint16_t> ? Format::bf16
                                                           : Format::i8;

// From one row to the next, in units of T.
template <class T>
constexpr int64_t row_stride(int64_t channels) {
    return static_cast<int64_t>(row_bytes(kFormatOf<T>, channels) / sizeof(T));
}

// Calls f with x as a pointer to its values; i8 is not among them.
template <class F>
ND_INLINE void with_values(const void* x, Format format, F f) {
    format == Format::f32 ? f(static_cast<const float*>(x)) : f(static_cast<const uint16_t*>(x));
}

// Calls f with y as a pointer of its format's type.
template <class F>
ND_INLINE void with_rows(void* y, Format format, F f) {
    format == Format::f32    ? f(static_cast<float*>(y))
    : format == Format::bf16 ? f(static_cast<uint16_t*>(y))
                             : f(static_cast<uint8_t*>(y));
}

// All lanes of a vector.
template <class V>
struct Whole {
    using Vector = V;
    ND_INLINE V load(const float* p, float = 0.0f) const { return V::load(p); }
    ND_INLINE V load(const uint16_t* p, float = 0.0f) const { return V::load_bf16(p); }
    ND_INLINE void store(V v, float* p) const { v.store(p); }
    ND_INLINE void store(V v, uint16_t* p) const { v.store_bf16(p); }
    ND_INLINE void store(V v, uint8_t* p) const { v.store_bytes(p); }
};

// The first n < width lanes; the others are loaded as `fill`.
template <class V>
struct Part {
    using Vector = V;
    int64_t n;
    ND_INLINE V load(const float* p, float fill = 0.0f) const { return V::load(p, n, fill); }
    ND_INLINE V load(const uint16_t* p, float fill = 0.0f) const { return V::load_bf16(p, n, fill); }
    ND_INLINE void store(V v, float* p) const { v.store(p, n); }
    ND_INLINE void store(V v, uint16_t* p) const { v.store_bf16(p, n); }
    ND_INLINE void store(V v, uint8_t* p) const { v.store_bytes(p, n); }
};

// Calls f(c, lanes) for all channels: each time for as many from c on as `lanes` has.
template <class V, class F>
ND_INLINE void each_vector(int64_t channels, F f) {
    int64_t c = 0;
    for (; c + 2 * V::width <= channels; c += 2 * V::width) f(c, Whole<Pair<V>>{});
    for (; c + V::width <= channels; c += V::width) f(c, Whole<V>{});
    if (c < channels) f(c, Part<V>{channels - c});
}

// A row of values as an i8 row. Magnitudes are compared by their bits, so a NaN becomes the scale.
template <class V>
ND_INLINE void quantise_row(const float* x, int64_t channels, uint8_t* y) {
    V most[4] = {V::zero(), V::zero(), V::zero(), V::zero()};
    int64_t at = 0;
    for (; at + 4 * V::width <= channels; at += 4 * V::width) {
        ND_UNROLL
        for (int i = 0; i < 4; ++i) most[i] = V::max_magnitude(most[i], V::load(x + at + i * V::width));
    }
    for (; at + V::width <= channels; at += V::width) most[0] = V::max_magnitude(most[0], V::load(x + at));
    if (at < channels) most[1] = V::max_magnitude(most[1], V::load(x + at, channels - at, 0.0f));
    const V one = V::max_magnitude(most[0], most[1]), other = V::max_magnitude(most[2], most[3]);
    const float top = V::largest(V::max_magnitude(one, other));
    // A row too small for the quotient is one of zeros.
    const float scale = top / kSteps;
    const float factor = top > kSteps / std::numeric_limits<float>::max() ? kSteps / top : 0.0f;
    std::memcpy(y, &scale, kScaleBytes);
    y += kScaleBytes;
    each_vector<V>(channels, [=](int64_t c, auto lanes) {
        using L = typename decltype(lanes)::Vector;
        // The sum rounds to a whole number of steps, ties to even, and holds it in its lowest bits.
        lanes.store(L::fma(lanes.load(x + c), L::set(factor), L::set(kRound + kZeroPoint)), y + c);
    });
    for (int64_t c = channels; c % 4 != 0; ++c) y[c] = kZeroPoint;
}

// y[c] = value(c, lanes) for all channels of a row.
template <class V, class Y, class F>
ND_INLINE void write_row(Y* y, int64_t channels, F value) {
    if constexpr (std::is_same_v<Y, uint8_t>) {
        float* row = scratch(Scratch::i8_row, static_cast<size_t>(channels));
        each_vector<V>(channels, [=](int64_t c, auto lanes) { lanes.store(value(c, lanes), row + c); });
        quantise_row<V>(row, channels, y);
    } else {
        each_vector<V>(channels, [=](int64_t c, auto lanes) { lanes.store(value(c, lanes), y + c); });
    }
}

}  // namespace nd::kernels
