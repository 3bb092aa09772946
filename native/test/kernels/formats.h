// Maps in every format for the kernel tests: guarded buffers, and how far a kernel may be from its reference.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "native/kernels/rows/format.h"
#include "native/kernels/rows/reference.h"

namespace nd::test {

using kernels::Format;

inline const char* format_name(Format format) {
    return format == Format::f32 ? "f32" : format == Format::bf16 ? "bf16" : "i8";
}

// [rows, channels] in a format, with bytes before and after it that must survive.
class GuardedRows {
  public:
    GuardedRows(Format format, int64_t rows, int64_t channels)
        : format_(format), rows_(rows), channels_(channels), bytes_(size() + 2 * kGuard, kMark) {}

    GuardedRows(Format format, const std::vector<float>& values, int64_t channels)
        : GuardedRows(format, static_cast<int64_t>(values.size()) / channels, channels) {
        write_rows_reference({values.begin(), values.end()}, data(), format_, rows_, channels_);
    }

    void* data() { return bytes_.data() + kGuard; }
    size_t size() const { return kernels::row_bytes(format_, channels_) * static_cast<size_t>(rows_); }
    const char* row(int64_t row) const {
        return bytes_.data() + kGuard + kernels::row_bytes(format_, channels_) * static_cast<size_t>(row);
    }
    std::vector<double> values() const { return read_rows_reference(row(0), format_, rows_, channels_); }
    bool same(const GuardedRows& other) const {
        return size() == other.size() && std::memcmp(row(0), other.row(0), size()) == 0;
    }
    bool intact() const {
        const auto marked = [](char byte) { return byte == kMark; };
        return std::all_of(bytes_.begin(), bytes_.begin() + kGuard, marked) &&
               std::all_of(bytes_.end() - kGuard, bytes_.end(), marked);
    }

    // What is wrong with this map, where `expected` is right; empty if nothing. f32: `tolerance` of the map's norm.
    // bf16: a unit in the last place, or the tolerance of the largest value. i8: a step, and of the scale 1e-6, or the
    // tolerance of the largest scale.
    std::string difference(const GuardedRows& expected, double tolerance) const {
        if (!intact()) return "wrote outside the map";
        return format_ == Format::i8 ? steps(expected, tolerance) : distance(expected, tolerance);
    }

  private:
    static constexpr int64_t kGuard = 1024;
    static constexpr char kMark = 0x5a;

    std::string distance(const GuardedRows& expected, double tolerance) const {
        const std::vector<double> x = values(), y = expected.values();
        double squares = 0, norm = 0, largest = 0;
        for (size_t i = 0; i < x.size(); ++i) {
            squares += (x[i] - y[i]) * (x[i] - y[i]), norm += y[i] * y[i];
            largest = std::max(largest, std::abs(y[i]));
        }
        if (format_ == Format::f32 && !(std::sqrt(squares) <= tolerance * std::sqrt(norm))) {
            return "relative error " + std::to_string(std::sqrt(squares / norm) * 1e9) + "e-9";
        }
        for (size_t i = 0; i < x.size() && format_ == Format::bf16; ++i) {
            const double ulp = std::ldexp(1.0, std::ilogb(y[i] == 0 ? 1e-30 : y[i]) - 7);
            if (std::abs(x[i] - y[i]) <= std::max(ulp, tolerance * largest)) continue;
            return "value " + std::to_string(i) + ": " + std::to_string(x[i]) + " instead of " + std::to_string(y[i]);
        }
        return "";
    }

    std::string steps(const GuardedRows& expected, double tolerance) const {
        const size_t bytes = kernels::row_bytes(format_, channels_);
        double largest = 0;
        for (double value : expected.values()) largest = std::max(largest, std::abs(value) / kernels::kSteps);
        for (int64_t r = 0; r < rows_; ++r) {
            float x, y;
            std::memcpy(&x, row(r), sizeof x), std::memcpy(&y, expected.row(r), sizeof y);
            const std::string where = "row " + std::to_string(r);
            if (!(std::abs(double(x) - y) <= std::max(1e-6 * y, tolerance * largest))) {
                return where + ": scale " + std::to_string(x) + " instead of " + std::to_string(y);
            }
            for (size_t i = kernels::kScaleBytes; i < bytes; ++i) {
                const int a = static_cast<uint8_t>(row(r)[i]), b = static_cast<uint8_t>(expected.row(r)[i]);
                const bool padding = i >= kernels::kScaleBytes + static_cast<size_t>(channels_);
                if (std::abs(a - b) <= (padding ? 0 : 1)) continue;
                return where + ", byte " + std::to_string(i) + ": " + std::to_string(a) + " instead of " +
                       std::to_string(b);
            }
        }
        return "";
    }

    Format format_;
    int64_t rows_, channels_;
    std::vector<char> bytes_;
};

}  // namespace nd::test
