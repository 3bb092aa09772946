// The definition in gemm.h, sum by sum in double precision.
#include <cmath>
#include <cstring>
#include <vector>

#include "native/kernels/gemm/gemm.h"
#include "native/kernels/gemm/packing.h"
#include "native/kernels/gemm/plan.h"

namespace nd::kernels {

namespace {

// Value i of a pixel's row.
double value(const void* row, Format format, int64_t i) {
    const auto* bytes = static_cast<const unsigned char*>(row);
    if (format == Format::f32) return static_cast<const float*>(row)[i];
    if (format == Format::bf16) return ggml_bf16_to_fp32(static_cast<const ggml_bf16_t*>(row)[i]);
    float scale;
    std::memcpy(&scale, bytes, sizeof scale);
    return double(scale) * (bytes[kScaleBytes + static_cast<size_t>(i)] - kZeroPoint);
}

const void* at(const void* base, Format format, int64_t values) {
    const int64_t size = format == Format::f32 ? 4 : format == Format::bf16 ? 2 : 1;
    return static_cast<const char*>(base) + values * size;
}

// Output channel n of all pixels, without a residual.
std::vector<double> channel(const GemmArgs& args, int64_t n) {
    const GemmGeometry& g = args.geometry;
    const WeightView& w = args.weights;
    const Format x_format = format_of(w.packing);
    std::vector<float> row(static_cast<size_t>(w.taps * w.c));
    unpack_row(w, n, row.data());
    std::vector<double> sums;
    for (int64_t m = 0; m < g.batch * g.out_height * g.out_width; ++m) {
        const int64_t picture = m / (g.out_height * g.out_width);
        double sum = args.bias ? args.bias[n] : 0.0f;
        for (int64_t tap = 0; tap < w.taps; ++tap) {
            const int64_t i = m / g.out_width % g.out_height * g.stride - g.pad_top + tap / g.kernel;
            const int64_t j = m % g.out_width * g.stride - g.pad_left + tap % g.kernel;
            if (i < 0 || j < 0 || i >= seen_height(g) || j >= seen_width(g)) continue;
            const int64_t pixel = (picture * g.height + i / g.upsample) * g.width + j / g.upsample;
            const void* x = at(args.x, x_format, pixel * args.x_stride);
            for (int64_t c = 0; c < w.c; ++c) sum += value(x, x_format, c) * row[tap * w.c + c];
        }
        sums.push_back(sum);
    }
    return sums;
}

double gelu(double x) {
    return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
}

}  // namespace

void gemm_reference(const GemmArgs& args) {
    const int64_t channels = args.weights.n / (args.gated ? 2 : 1);
    for (int64_t n = 0; n < channels; ++n) {
        std::vector<double> sums = channel(args, n), gates;
        if (args.gated) gates = channel(args, channels + n);
        for (size_t m = 0; m < sums.size(); ++m) {
            const int64_t out = static_cast<int64_t>(m) * args.y_stride + n;
            if (args.gated) sums[m] *= gelu(gates[m]);
            if (args.residual) sums[m] += value(args.residual, args.residual_format, out);
            if (args.y_format == Format::f32) {
                static_cast<float*>(args.y)[out] = static_cast<float>(sums[m]);
            } else {
                static_cast<ggml_bf16_t*>(args.y)[out] = ggml_fp32_to_bf16(static_cast<float>(sums[m]));
            }
        }
    }
}

}  // namespace nd::kernels
