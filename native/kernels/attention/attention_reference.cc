// softmax(q k^T * scale) v, row by row in double precision.
#include <algorithm>
#include <cmath>
#include <vector>

#include "native/kernels/attention/attention.h"
#include "native/kernels/simd/bf16.h"

namespace nd::kernels {

namespace {

double value(const void* values, Format format, int64_t i) {
    return format == Format::bf16 ? from_bf16(static_cast<const uint16_t*>(values)[i])
                                  : static_cast<const float*>(values)[i];
}

void set(void* values, Format format, int64_t i, double x) {
    if (format == Format::bf16) {
        static_cast<uint16_t*>(values)[i] = to_bf16(static_cast<float>(x));
    } else {
        static_cast<float*>(values)[i] = static_cast<float>(x);
    }
}

// One query at `q`, with `keys` keys from `k` and values from `v`, to `out`: all counted in values.
void attend(const AttentionArgs& args, int64_t q, int64_t k, int64_t v, int64_t keys, int64_t out) {
    std::vector<double> weights(static_cast<size_t>(keys));
    for (int64_t j = 0; j < keys; ++j) {
        double dot = 0;
        for (int64_t i = 0; i < args.head_dim; ++i)
            dot += value(args.q, args.format, q + i) * value(args.k, args.format, k + j * args.k_stride + i);
        weights[j] = dot * args.scale;
    }
    const double largest = *std::max_element(weights.begin(), weights.end());
    double total = 0;
    for (double& weight : weights) total += weight = std::exp(weight - largest);
    for (int64_t i = 0; i < args.head_dim; ++i) {
        double sum = 0;
        for (int64_t j = 0; j < keys; ++j) sum += weights[j] * value(args.v, args.format, v + j * args.v_stride + i);
        set(args.out, args.format, out + i, sum / total);
    }
}

}  // namespace

void attention_reference(const AttentionArgs& args) {
    for (int64_t b = 0; b < args.batch; ++b) {
        const int64_t key_row = b / args.queries_per_key * args.k_tokens;
        for (int64_t t = 0; t < args.q_tokens; ++t) {
            const int64_t row = b * args.q_tokens + t;
            const int64_t keys = args.causal ? std::min(args.k_tokens, t + 1) : args.k_tokens;
            for (int64_t h = 0; h < args.heads; ++h) {
                const int64_t column = h * args.head_dim;
                attend(args, row * args.q_stride + column, key_row * args.k_stride + column,
                       key_row * args.v_stride + column, keys, row * args.out_stride + column);
            }
        }
    }
}

}  // namespace nd::kernels
