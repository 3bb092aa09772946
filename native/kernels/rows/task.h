// The conversion's task over any vector type.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "native/kernels/rows/convert.h"
#include "native/kernels/rows/cut.h"
#include "native/kernels/rows/row.h"

namespace nd::kernels {

// Values of one format into a row of another.
template <class V, class X, class Y>
ND_NOINLINE void convert_row(const X* x, Y* y, int64_t channels) {
    if constexpr (std::is_same_v<X, Y>) {
        std::memmove(y, x, row_bytes(kFormatOf<X>, channels));
    } else if constexpr (std::is_same_v<X, uint8_t>) {
        float* row = scratch(Scratch::i8_row, static_cast<size_t>(channels));
        float scale;
        std::memcpy(&scale, x, kScaleBytes);
        for (int64_t c = 0; c < channels; ++c) row[c] = scale * static_cast<float>(x[kScaleBytes + c] - kZeroPoint);
        convert_row<V>(static_cast<const float*>(row), y, channels);
    } else {
        write_row<V>(y, channels, [=](int64_t c, auto lanes) { return lanes.load(x + c); });
    }
}

template <class V>
void convert(const ConvertArgs& args, int64_t task) {
    const int64_t n = args.channels;
    const auto to = [&](const auto* x) {
        with_rows(args.y, args.y_format, [&](auto* y) {
            using X = std::remove_cvref_t<decltype(*x)>;
            using Y = std::remove_cvref_t<decltype(*y)>;
            each_row(args.rows, n, task,
                     [&](int64_t row) { convert_row<V>(x + row * row_stride<X>(n), y + row * row_stride<Y>(n), n); });
        });
    };
    if (args.x_format == Format::i8) return to(static_cast<const uint8_t*>(args.x));
    with_values(args.x, args.x_format, to);
}

}  // namespace nd::kernels
