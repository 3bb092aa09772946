// softmax(q k^T * scale) v, row by row in double precision.
#include <algorithm>
#include <cmath>
#include <vector>

#include "native/kernels/attention/attention.h"

namespace nd::kernels {

namespace {

void attend(const AttentionArgs& args, const float* q, const float* k, const float* v, int64_t keys, float* out) {
    std::vector<double> weights(static_cast<size_t>(keys));
    for (int64_t j = 0; j < keys; ++j) {
        double dot = 0;
        for (int64_t i = 0; i < args.head_dim; ++i) dot += double(q[i]) * k[j * args.k_stride + i];
        weights[j] = dot * args.scale;
    }
    const double largest = *std::max_element(weights.begin(), weights.end());
    double total = 0;
    for (double& weight : weights) total += weight = std::exp(weight - largest);
    for (int64_t i = 0; i < args.head_dim; ++i) {
        double sum = 0;
        for (int64_t j = 0; j < keys; ++j) sum += weights[j] * v[j * args.v_stride + i];
        out[i] = static_cast<float>(sum / total);
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
                attend(args, args.q + row * args.q_stride + column, args.k + key_row * args.k_stride + column,
                       args.v + key_row * args.v_stride + column, keys, args.out + row * args.out_stride + column);
            }
        }
    }
}

}  // namespace nd::kernels
