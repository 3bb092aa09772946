#include "native/kernels/pointwise/pointwise.h"

#include <algorithm>
#include <cstring>

#include "native/kernels/pointwise/variants.h"

namespace nd::kernels {

namespace {

int64_t ceil_div(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}

}  // namespace

int64_t activation_tasks(const ActivationArgs& args) {
    return ceil_div(args.size, kPointwiseChunk);
}

void activation_task(const ActivationArgs& args, int64_t task) {
    ND_DISPATCH(activation_task, args, task);
}

int64_t geglu_tasks(const GegluArgs& args) {
    return ceil_div(args.rows, pointwise_rows(args.channels));
}

void geglu_task(const GegluArgs& args, int64_t task) {
    ND_DISPATCH(geglu_task, args, task);
}

int64_t concat_tasks(const ConcatArgs& args) {
    return ceil_div(args.rows, pointwise_rows(args.a_channels + args.b_channels));
}

void concat_task(const ConcatArgs& args, int64_t task) {
    const int64_t channels = args.a_channels + args.b_channels, rows = pointwise_rows(channels);
    for (int64_t row = task * rows, end = std::min(args.rows, row + rows); row < end; ++row) {
        float* y = args.y + row * channels;
        std::memcpy(y, args.a + row * args.a_channels, args.a_channels * sizeof(float));
        std::memcpy(y + args.a_channels, args.b + row * args.b_channels, args.b_channels * sizeof(float));
    }
}

}  // namespace nd::kernels
