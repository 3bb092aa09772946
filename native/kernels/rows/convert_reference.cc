// The formats as format.h defines them, value by value.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "native/kernels/rows/convert.h"
#include "native/kernels/rows/reference.h"
#include "native/kernels/simd/bf16.h"

namespace nd::kernels {

namespace {

double read(const char* row, Format format, int64_t c) {
    float scale;
    uint16_t half;
    switch (format) {
        case Format::f32:
            std::memcpy(&scale, row + c * 4, sizeof scale);
            return scale;
        case Format::bf16:
            std::memcpy(&half, row + c * 2, sizeof half);
            return from_bf16(half);
        default:
            std::memcpy(&scale, row, sizeof scale);
            return double(scale) * (static_cast<uint8_t>(row[kScaleBytes + c]) - kZeroPoint);
    }
}

void write_i8(const double* x, char* row, int64_t channels) {
    double top = 0;
    for (int64_t c = 0; c < channels; ++c) top = std::isnan(x[c]) ? x[c] : std::max(top, std::abs(x[c]));
    const float scale = static_cast<float>(top / kSteps);
    std::memcpy(row, &scale, kScaleBytes);
    std::memset(row + kScaleBytes, kZeroPoint, row_bytes(Format::i8, channels) - kScaleBytes);
    for (int64_t c = 0; c < channels && top > 0 && std::isfinite(top); ++c) {
        const double q = std::clamp(std::nearbyint(x[c] * kSteps / top), double(-kSteps), double(kSteps));
        row[kScaleBytes + c] = static_cast<char>(static_cast<uint8_t>(q + kZeroPoint));
    }
}

}  // namespace

std::vector<double> read_rows_reference(const void* x, Format format, int64_t rows, int64_t channels) {
    std::vector<double> values;
    values.reserve(static_cast<size_t>(rows * channels));
    for (int64_t row = 0; row < rows; ++row) {
        const char* at = static_cast<const char*>(x) + row_bytes(format, channels) * static_cast<size_t>(row);
        for (int64_t c = 0; c < channels; ++c) values.push_back(read(at, format, c));
    }
    return values;
}

void write_rows_reference(const std::vector<double>& values, void* y, Format format, int64_t rows, int64_t channels) {
    for (int64_t row = 0; row < rows; ++row) {
        char* at = static_cast<char*>(y) + row_bytes(format, channels) * static_cast<size_t>(row);
        const double* x = values.data() + row * channels;
        if (format == Format::i8) write_i8(x, at, channels);
        for (int64_t c = 0; c < channels && format != Format::i8; ++c) {
            const float value = static_cast<float>(x[c]);
            const uint16_t half = to_bf16(value);
            if (format == Format::f32) std::memcpy(at + c * 4, &value, sizeof value);
            if (format == Format::bf16) std::memcpy(at + c * 2, &half, sizeof half);
        }
    }
}

void convert_reference(const ConvertArgs& args) {
    const std::vector<double> x = read_rows_reference(args.x, args.x_format, args.rows, args.channels);
    write_rows_reference(x, args.y, args.y_format, args.rows, args.channels);
}

}  // namespace nd::kernels
