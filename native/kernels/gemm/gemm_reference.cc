// The definition in gemm.h, sum by sum in double precision.
#include <ggml.h>

#include <vector>

#include "native/kernels/gemm/gemm.h"
#include "native/kernels/gemm/plan.h"

namespace nd::kernels {

void gemm_reference(const GemmArgs& args) {
    const GemmGeometry& g = args.geometry;
    const WeightView& w = args.weights;
    const int64_t k = w.taps * w.c;
    std::vector<float> row(static_cast<size_t>(k));
    for (int64_t n = 0; n < w.n; ++n) {
        const char* data = static_cast<const char*>(w.data) + n * w.row_bytes;
        if (w.type == GGML_TYPE_F32) {
            row.assign(reinterpret_cast<const float*>(data), reinterpret_cast<const float*>(data) + k);
        } else {
            ggml_get_type_traits(w.type)->to_float(data, row.data(), k);
        }
        for (int64_t m = 0; m < g.batch * g.out_height * g.out_width; ++m) {
            const int64_t picture = m / (g.out_height * g.out_width);
            double sum =
                (args.bias ? args.bias[n] : 0.0f) + double(args.residual ? args.residual[m * args.y_stride + n] : 0.0f);
            for (int64_t tap = 0; tap < w.taps; ++tap) {
                const int64_t i = m / g.out_width % g.out_height * g.stride - g.pad_top + tap / g.kernel;
                const int64_t j = m % g.out_width * g.stride - g.pad_left + tap % g.kernel;
                if (i < 0 || j < 0 || i >= seen_height(g) || j >= seen_width(g)) continue;
                const int64_t pixel = (picture * g.height + i / g.upsample) * g.width + j / g.upsample;
                for (int64_t c = 0; c < w.c; ++c) sum += double(args.x[pixel * args.x_stride + c]) * row[tap * w.c + c];
            }
            args.y[m * args.y_stride + n] = static_cast<float>(sum);
        }
    }
}

}  // namespace nd::kernels
