// How the values of a pixel (a row of a channels-last map) lie in memory.
#pragma once

#include <cstddef>
#include <cstdint>

namespace nd::kernels {

// `f32` and `bf16` rows are their values and nothing else. An `i8` row is what an int8 product reads: a float, the
// scale, then one byte a channel that holds the value's multiple of the scale plus 128, filled up with 128 to a
// multiple of four.
enum class Format : uint8_t { f32, bf16, i8 };

// Bytes before the first value of an i8 row: its scale.
constexpr size_t kScaleBytes = sizeof(float);
// What an i8 value of 0 is stored as; a row's largest magnitude becomes 127 away from it.
constexpr int kZeroPoint = 128;
constexpr float kSteps = 127.0f;

constexpr size_t row_bytes(Format format, int64_t channels) {
    const auto c = static_cast<size_t>(channels);
    return format == Format::f32 ? c * 4 : format == Format::bf16 ? c * 2 : kScaleBytes + (c + 3) / 4 * 4;
}

}  // namespace nd::kernels
