// A GEMM made of random numbers, for tests: its geometry, the forms of its weights and maps, and how far off it is.
#pragma once

#include <ggml.h>

#include <algorithm>
#include <vector>

#include "native/kernels/gemm/gate.h"
#include "native/kernels/gemm/gemm.h"
#include "native/kernels/gemm/packing.h"
#include "native/kernels/rows/convert.h"
#include "native/test/kernels/support.h"

namespace nd::test {

using namespace kernels;

struct Shape {
    const char* name;
    GemmGeometry geometry;
    int64_t c, n;
};

// A geometry from what a convolution's author would say: {batch, height, width}, kernel, stride, padding.
inline GemmGeometry conv(int64_t batch, int64_t height, int64_t width, int kernel, int stride, int pad_low,
                         int pad_high, int upsample) {
    GemmGeometry g;
    g.batch = batch, g.height = height, g.width = width;
    g.kernel = kernel, g.stride = stride, g.pad_top = g.pad_left = pad_low, g.upsample = upsample;
    g.out_height = (height * upsample + pad_low + pad_high - kernel) / stride + 1;
    g.out_width = (width * upsample + pad_low + pad_high - kernel) / stride + 1;
    return g;
}

// Upsampled by 2, with the last row and column cut off.
inline GemmGeometry cut(GemmGeometry g) {
    g.up_height = g.height * 2 - 1, g.up_width = g.width * 2 - 1;
    --g.out_height, --g.out_width;
    return g;
}

inline GemmGeometry linear(int64_t rows) {
    return conv(1, 1, rows, 1, 1, 0, 0, 1);
}

// How x, the weights and y lie in memory.
struct Form {
    ggml_type type = GGML_TYPE_F32;
    Packing packing = Packing::rows;
    Format y_format = Format::f32;
    const char* name = "";
    bool gated = false;
};

inline int64_t value_bytes(Format format) {
    return format == Format::f32 ? 4 : format == Format::bf16 ? 2 : 1;
}

// Rows of `c` values, `stride` values apart, in another format.
inline std::vector<char> convert(const std::vector<float>& values, int64_t c, int64_t stride, Format format) {
    const int64_t rows = int64_t(values.size()) / stride;
    const int64_t bytes = format == Format::i8 ? int64_t(row_bytes(format, stride)) : stride * value_bytes(format);
    std::vector<char> out(static_cast<size_t>(rows * bytes));
    for (int64_t row = 0; row < rows; ++row) {
        ConvertArgs args{values.data() + row * stride,
                         out.data() + row * bytes,
                         1,
                         format == Format::i8 ? c : stride,
                         Format::f32,
                         format};
        run_tasks(convert_tasks(args), convert_task, args);
    }
    return out;
}

struct Problem {
    Problem(const Shape& shape, Form form, uint64_t seed, int64_t padding = 0) {
        const GemmGeometry& g = args.geometry = shape.geometry;
        const int64_t taps = g.kernel * g.kernel, k = taps * shape.c;
        const std::vector<float> values = normals(shape.n * k, seed, 1.0f / std::sqrt(float(k)));
        pack(shape, form, values);
        const Format x_format = format_of(form.packing);
        const int64_t stride = shape.c + padding;
        x = convert(normals(g.batch * g.height * g.width * stride, seed + 1), shape.c, stride, x_format);
        bias = normals(shape.n, seed + 2);
        args.x = x.data(), args.bias = bias.data();
        args.x_stride = x_format == Format::i8 ? int64_t(row_bytes(x_format, stride)) : stride;
        row_size = args.x_stride * value_bytes(x_format);
        args.gated = form.gated;
        channels = form.gated ? shape.n / 2 : shape.n;
        args.y_stride = channels + padding, args.y_format = args.residual_format = form.y_format;
        y_size = g.batch * g.out_height * g.out_width * args.y_stride;
        residual = convert(normals(y_size, seed + 3), args.y_stride, args.y_stride, form.y_format);
    }

    void pack(const Shape& shape, Form form, const std::vector<float>& values) {
        const int64_t taps = shape.geometry.kernel * shape.geometry.kernel, k = taps * shape.c;
        const size_t row_bytes = ggml_row_size(form.type, k);
        args.weights = {form.type, nullptr, row_bytes, shape.n, taps, shape.c, form.packing, false};
        if (!in_panels(form.packing)) {
            weights.resize(args.weights.row_bytes * shape.n);
            ggml_quantize_chunk(form.type, values.data(), weights.data(), 0, shape.n, k, nullptr);
        } else {
            weights.resize(PackedLayout(form.packing, places_of(shape.n, form.gated), taps, shape.c).size);
            args.weights.gated = form.gated;
            const int64_t places = places_of(shape.n, form.gated), step = form.gated ? kGateRun : kPanel;
            for (int64_t place = 0; place < places; place += step) {
                const Run run = run_at(place, step, shape.n, form.gated);
                pack_rows(form.packing, values.data() + run.row * k, places, taps, shape.c, place, run.count,
                          weights.data());
            }
        }
        args.weights.data = weights.data();
    }

    // y after all tasks, as f32; channels between n and y_stride keep the guard's mark.
    std::vector<float> run(bool backwards = false) {
        Guarded y(y_size);
        args.y = y.data();
        run_tasks(gemm_tasks(args), gemm_task, args, backwards);
        CHECK(y.intact());
        return read(y.data());
    }

    std::vector<float> read(const float* y) const {
        if (args.y_format == Format::f32) return {y, y + y_size};
        std::vector<float> values(static_cast<size_t>(y_size));
        ggml_bf16_to_fp32_row(reinterpret_cast<const ggml_bf16_t*>(y), values.data(), y_size);
        return values;
    }

    std::vector<float> reference() {
        Guarded y(y_size);
        args.y = y.data();
        gemm_reference(args);
        return read(y.data());
    }

    GemmArgs args;
    std::vector<float> bias;
    std::vector<char> weights, x, residual;
    int64_t channels = 0;  // of y
    int64_t y_size = 0;
    int64_t row_size = 0;  // bytes of a pixel of x
};

// The padding between rows must be untouched: then it is equal on both sides, and is taken out before comparing.
inline double error(const Problem& p, std::vector<float> got, std::vector<float> expected) {
    bool untouched = true;
    for (int64_t i = 0; i < p.y_size; ++i) {
        if (i % p.args.y_stride < p.channels) continue;
        untouched = untouched && got[i] == expected[i];
        got[i] = expected[i] = 0;
    }
    return untouched ? relative_error(got.data(), expected.data(), p.y_size) : INFINITY;
}

}  // namespace nd::test
