// The activations as their papers define them, and the sum, in double precision.
#include <cmath>
#include <vector>

#include "native/kernels/pointwise/pointwise.h"
#include "native/kernels/rows/reference.h"

namespace nd::kernels {

namespace {

double gelu(double x) {
    return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
}

double apply(Activation kind, double x) {
    switch (kind) {
        case Activation::gelu:
            return gelu(x);
        case Activation::gelu_tanh:
            return 0.5 * x * (1 + std::tanh(std::sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x)));
        case Activation::quick_gelu:
            return x / (1 + std::exp(-1.702 * x));
        case Activation::relu:
            return x < 0 ? 0 : x;
        case Activation::leaky_relu:
            return x < 0 ? 0.2 * x : x;
        default:
            return x / (1 + std::exp(-x));
    }
}

}  // namespace

void activation_reference(const ActivationArgs& args) {
    std::vector<double> x = read_rows_reference(args.x, args.x_format, args.rows, args.channels);
    for (double& value : x) value = apply(args.kind, value);
    write_rows_reference(x, args.y, args.y_format, args.rows, args.channels);
}

void add_rows_reference(const AddRowsArgs& args) {
    std::vector<double> x = read_rows_reference(args.x, args.x_format, args.rows, args.channels);
    for (int64_t row = 0; row < args.rows; ++row) {
        const float* addend = args.addends + row / args.rows_per_addend * args.channels;
        for (int64_t i = 0; i < args.channels; ++i) x[static_cast<size_t>(row * args.channels + i)] += addend[i];
    }
    write_rows_reference(x, args.y, args.y_format, args.rows, args.channels);
}

void add_reference(const AddArgs& args) {
    const std::vector<double> a = read_rows_reference(args.a, args.a_format, args.rows, args.channels);
    const std::vector<double> b = read_rows_reference(args.b, args.b_format, args.b_rows, args.channels);
    std::vector<double> y;
    for (size_t i = 0; i < a.size(); ++i) y.push_back(static_cast<double>(args.scale) * a[i] + b[i % b.size()]);
    write_rows_reference(y, args.y, args.y_format, args.rows, args.channels);
}

}  // namespace nd::kernels
