// The activations as their papers define them, in double precision.
#include <cmath>

#include "native/kernels/pointwise/pointwise.h"

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
        default:
            return x / (1 + std::exp(-x));
    }
}

}  // namespace

void activation_reference(const ActivationArgs& args) {
    for (int64_t i = 0; i < args.size; ++i) args.y[i] = static_cast<float>(apply(args.kind, args.x[i]));
}

void geglu_reference(const GegluArgs& args) {
    for (int64_t row = 0; row < args.rows; ++row) {
        const float* x = args.x + row * 2 * args.channels;
        for (int64_t i = 0; i < args.channels; ++i) {
            args.y[row * args.channels + i] = static_cast<float>(x[i] * gelu(x[args.channels + i]));
        }
    }
}

}  // namespace nd::kernels
