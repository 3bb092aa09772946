// Conversions between the formats of maps: rounding to the bit, scales, padding, and values that are none.
#include "native/kernels/rows/check.h"
#include "native/kernels/rows/convert.h"
#include "native/kernels/simd/bf16.h"
#include "native/test/kernels/formats.h"
#include "native/test/kernels/support.h"

using namespace nd::kernels;
using namespace nd::test;

namespace {

constexpr Format kFormats[] = {Format::f32, Format::bf16, Format::i8};

GuardedRows convert(GuardedRows& x, Format from, Format to, int64_t rows, int64_t channels, bool backwards = false) {
    GuardedRows y(to, rows, channels);
    ConvertArgs args{x.data(), y.data(), rows, channels, from, to};
    run_tasks(convert_tasks(args), convert_task, args, backwards);
    CHECK(y.intact(), format_name(from), " to ", format_name(to), " ", channels);
    return y;
}

float scale_of(const GuardedRows& rows, int64_t row) {
    float scale;
    std::memcpy(&scale, rows.row(row), sizeof scale);
    return scale;
}

}  // namespace

TEST("rows: every conversion agrees with its definition, whatever the order of tasks") {
    for_each_isa([](const char* isa) {
        for (int64_t channels : {1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 63, 77, 320, 1283, 40000}) {
            const int64_t rows = channels > 2000 ? 3 : 150;
            for (Format from : kFormats) {
                GuardedRows x(from, normals(rows * channels, 7, 3.0f, 0.3f), channels);
                for (Format to : kFormats) {
                    const GuardedRows y = convert(x, from, to, rows, channels);
                    GuardedRows expected(to, rows, channels);
                    convert_reference({x.data(), expected.data(), rows, channels, from, to});
                    const std::string wrong = y.difference(expected, 1e-7);
                    CHECK(wrong.empty(), isa, " ", format_name(from), " to ", format_name(to), " ", channels, ": ",
                          wrong);
                    CHECK(to != Format::bf16 || from == Format::i8 || y.same(expected), isa, " ", channels);
                    CHECK(y.same(convert(x, from, to, rows, channels, true)), isa, " ", channels);
                }
            }
        }
    });
}

TEST("rows: bf16 is rounded to the nearest, ties to even, and NaN and infinity stay") {
    // Every bf16 and, between it and the next, the values around the tie; a NaN's payload may lie in the lower half
    // alone.
    std::vector<float> x;
    for (uint32_t high = 0; high < 0x10000; ++high) {
        for (uint32_t low : {0u, 1u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu}) {
            const uint32_t bits = high << 16 | low;
            float value;
            std::memcpy(&value, &bits, sizeof value);
            x.push_back(value);
        }
    }
    const int64_t channels = 27, rows = static_cast<int64_t>(x.size()) / channels;
    x.resize(static_cast<size_t>(rows * channels));
    GuardedRows floats(Format::f32, rows, channels);
    std::memcpy(floats.data(), x.data(), x.size() * sizeof(float));
    for_each_isa([&](const char* isa) {
        GuardedRows y = convert(floats, Format::f32, Format::bf16, rows, channels);
        const GuardedRows back = convert(y, Format::bf16, Format::f32, rows, channels);
        for (size_t i = 0; i < x.size(); ++i) {
            uint16_t half;
            std::memcpy(&half, y.row(0) + 2 * i, sizeof half);
            float value;
            std::memcpy(&value, back.row(0) + 4 * i, sizeof value);
            uint32_t bits;
            std::memcpy(&bits, &x[i], sizeof bits);
            const uint32_t low = bits & 0xffff, high = bits >> 16;
            const uint32_t nearest = high + (low > 0x8000 || (low == 0x8000 && high % 2 == 1));
            const bool right = std::isnan(x[i]) ? std::isnan(value) : half == nearest && value == from_bf16(half);
            if (right) continue;
            CHECK(false, isa, " ", x[i], " became ", half, " and ", value, " again, expected ", nearest);
            break;
        }
    });
}

TEST("rows: i8 keeps the largest magnitude at 127 steps and rounds ties to even") {
    std::vector<float> x;
    for (int i = -127; i <= 127; ++i) x.push_back(static_cast<float>(i));
    for (int i = -126; i < 126; ++i) x.push_back(static_cast<float>(i) + 0.5f);
    const int64_t channels = static_cast<int64_t>(x.size());
    for_each_isa([&](const char* isa) {
        GuardedRows floats(Format::f32, x, channels);
        const GuardedRows y = convert(floats, Format::f32, Format::i8, 1, channels);
        CHECK(scale_of(y, 0) == 1.0f, isa, " ", scale_of(y, 0));
        for (int64_t c = 0; c < channels; ++c) {
            const int got = static_cast<uint8_t>(y.row(0)[kScaleBytes + c]);
            CHECK(got == 128 + static_cast<int>(std::nearbyint(x[c])), isa, " ", x[c], " became ", got);
        }
    });
}

TEST("rows: i8 rows of zeros, of tiny and of huge values") {
    for_each_isa([](const char* isa) {
        for (int64_t channels : {3, 16, 37}) {
            std::vector<float> x(static_cast<size_t>(4 * channels), 0.0f);
            for (int64_t c = 0; c < channels; ++c) {
                x[channels + c] = 1e-38f;
                x[2 * channels + c] = 1e-30f * float(c - 2);
                x[3 * channels + c] = c % 2 ? 3.4e38f : -3.4e38f;
            }
            GuardedRows floats(Format::f32, x, channels);
            GuardedRows y = convert(floats, Format::f32, Format::i8, 4, channels);
            const std::vector<double> values = y.values();
            CHECK(scale_of(y, 0) == 0.0f, isa);
            for (int64_t c = 0; c < channels; ++c) {
                CHECK(static_cast<uint8_t>(y.row(0)[kScaleBytes + c]) == 128, isa);
                CHECK(std::abs(values[channels + c]) <= 1e-38, isa);
                CHECK(std::abs(values[2 * channels + c] - x[2 * channels + c]) <= scale_of(y, 2), isa);
                CHECK(std::abs(values[3 * channels + c] / x[3 * channels + c] - 1) < 1e-6, isa);
            }
        }
    });
}

TEST("rows: an i8 row with a NaN or an infinity has a scale that is none") {
    for_each_isa([](const char* isa) {
        for (int64_t channels : {1, 5, 16, 40, 77}) {
            for (int64_t at = 0; at < channels; ++at) {
                for (float bad : {float(NAN), -float(NAN), float(INFINITY), -float(INFINITY)}) {
                    std::vector<float> x = normals(channels, 3);
                    x[at] = bad;
                    GuardedRows floats(Format::f32, 1, channels);
                    std::memcpy(floats.data(), x.data(), x.size() * sizeof(float));
                    const GuardedRows y = convert(floats, Format::f32, Format::i8, 1, channels);
                    CHECK(!std::isfinite(scale_of(y, 0)), isa, " ", channels, " ", at, " ", bad);
                }
            }
        }
    });
}

TEST("rows: a kernel of values refuses i8 by name") {
    expect_values("norm", "x", Format::bf16);
    CHECK(error_code([] { expect_values("norm", "x", Format::i8); }) == "INVALID_ARGUMENT");
}
