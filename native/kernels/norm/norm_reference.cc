// GroupNorm and LayerNorm as their papers define them, in double precision.
#include <cmath>
#include <vector>

#include "native/kernels/norm/norm.h"
#include "native/kernels/rows/reference.h"

namespace nd::kernels {

namespace {

// Normalises the values of x at `at`, together one group.
void normalise(std::vector<double>& x, const std::vector<int64_t>& at, int64_t channels, const float* gamma,
               const float* beta, float eps) {
    double mean = 0, variance = 0;
    for (int64_t i : at) mean += x[i];
    mean /= double(at.size());
    for (int64_t i : at) variance += (x[i] - mean) * (x[i] - mean);
    variance /= double(at.size());
    for (int64_t i : at) {
        const int64_t c = i % channels;
        const double value = (x[i] - mean) / std::sqrt(variance + eps);
        x[i] = value * (gamma ? gamma[c] : 1.0f) + (beta ? beta[c] : 0.0f);
    }
}

}  // namespace

void group_norm_reference(const GroupNormArgs& args) {
    const int64_t width = args.channels / args.groups, rows = args.batch * args.pixels;
    std::vector<double> x = read_rows_reference(args.x, args.x_format, rows, args.channels);
    for (int64_t b = 0; b < args.batch; ++b) {
        for (int64_t g = 0; g < args.groups; ++g) {
            std::vector<int64_t> at;
            for (int64_t p = 0; p < args.pixels; ++p) {
                for (int64_t c = 0; c < width; ++c) at.push_back((b * args.pixels + p) * args.channels + g * width + c);
            }
            normalise(x, at, args.channels, args.gamma, args.beta, args.eps);
        }
    }
    if (args.silu) {
        for (double& value : x) value = value / (1 + std::exp(-value));
    }
    write_rows_reference(x, args.y, args.y_format, rows, args.channels);
}

void layer_norm_reference(const LayerNormArgs& args) {
    std::vector<double> x = read_rows_reference(args.x, args.x_format, args.rows, args.channels);
    for (int64_t row = 0; row < args.rows; ++row) {
        std::vector<int64_t> at;
        for (int64_t c = 0; c < args.channels; ++c) at.push_back(row * args.channels + c);
        normalise(x, at, args.channels, args.gamma, args.beta, args.eps);
    }
    write_rows_reference(x, args.y, args.y_format, args.rows, args.channels);
}

}  // namespace nd::kernels
