#include "native/ops/cpu_ops.h"

#include <cmath>

#include "native/kernels/attention/attention.h"
#include "native/kernels/embed/embed.h"
#include "native/kernels/gemm/gemm.h"
#include "native/kernels/norm/norm.h"
#include "native/kernels/pointwise/pointwise.h"

namespace nd::ops {

namespace {

using backend::Extents;

const float* data(const ggml_tensor* tensor) {
    return tensor ? static_cast<const float*>(tensor->data) : nullptr;
}
float* mutable_data(const ggml_tensor* tensor) {
    return static_cast<float*>(tensor->data);
}

Extents extents(const Map& map) {
    return {map.channels, map.width, map.height, map.batch};
}

Map like(const Map& map, ggml_tensor* tensor) {
    return {tensor, map.batch, map.height, map.width, map.channels};
}

kernels::WeightView view(const ggml_tensor* weight, int64_t taps, int64_t n, int64_t c) {
    return {weight->type, weight->data, ggml_row_size(weight->type, c) * taps, n, taps, c};
}

// sources: x, weight, bias, residual
void bind_gemm(kernels::GemmArgs& args, const ggml_tensor* dst) {
    args.x = data(dst->src[0]);
    args.weights.data = dst->src[1]->data;
    args.bias = data(dst->src[2]);
    args.residual = data(dst->src[3]);
    args.y = mutable_data(dst);
}

}  // namespace

Map CpuOps::input(int64_t batch, int64_t height, int64_t width, int64_t channels) {
    return {graph_.input(GGML_TYPE_F32, {channels, width, height, batch}), batch, height, width, channels};
}

void CpuOps::write(const Map& map, const float* planes) const {
    float* maps = mutable_data(map.tensor);
    for (int64_t b = 0; b < map.batch; b++) {
        for (int64_t c = 0; c < map.channels; c++) {
            for (int64_t p = 0; p < map.pixels(); p++) {
                maps[(b * map.pixels() + p) * map.channels + c] = planes[(b * map.channels + c) * map.pixels() + p];
            }
        }
    }
}

void CpuOps::read(const Map& map, float* planes) const {
    const float* maps = data(map.tensor);
    for (int64_t b = 0; b < map.batch; b++) {
        for (int64_t c = 0; c < map.channels; c++) {
            for (int64_t p = 0; p < map.pixels(); p++) {
                planes[(b * map.channels + c) * map.pixels() + p] = maps[(b * map.pixels() + p) * map.channels + c];
            }
        }
    }
}

Map CpuOps::linear(const Map& x, const Linear& layer, const Map* residual) {
    kernels::GemmArgs args;
    // Rows are rows: batch and picture make no difference to a linear layer.
    args.geometry.width = args.geometry.out_width = x.batch * x.pixels();
    args.weights = view(layer.weight, 1, layer.out, layer.in);
    args.x_stride = layer.in;
    args.y_stride = layer.out;
    Map y = x;
    y.channels = layer.out;
    graph_.count_flops(2.0 * static_cast<double>(layer.in) * static_cast<double>(y.size()));
    y.tensor = graph_.kernel<kernels::GemmArgs>(
        extents(y), {x.tensor, layer.weight, layer.bias, residual ? residual->tensor : nullptr}, args, bind_gemm,
        kernels::gemm_tasks, kernels::gemm_task);
    return y;
}

Map CpuOps::conv2d(const Map& x, const Conv& layer, const ConvSpec& spec, const Map* residual, const Map* bias) {
    kernels::GemmArgs args;
    auto& g = args.geometry;
    g.batch = x.batch, g.height = x.height, g.width = x.width;
    g.kernel = layer.kernel, g.stride = spec.stride;
    int64_t in_height = x.height, in_width = x.width;
    if (spec.upsample_to) {
        g.upsample = 2;
        in_height = g.up_height = spec.upsample_to->height;
        in_width = g.up_width = spec.upsample_to->width;
    }
    const int pad = spec.pad >= 0 ? spec.pad : layer.kernel / 2;
    const int64_t padding = spec.pad_bottom_right ? 1 : 2 * pad;
    g.pad_top = g.pad_left = spec.pad_bottom_right ? 0 : pad;
    g.out_height = (in_height + padding - layer.kernel) / spec.stride + 1;
    g.out_width = (in_width + padding - layer.kernel) / spec.stride + 1;
    const int64_t taps = static_cast<int64_t>(layer.kernel) * layer.kernel;
    args.weights = view(layer.weight, taps, layer.out, layer.in);
    args.x_stride = layer.in;
    args.y_stride = layer.out;
    Map y{nullptr, x.batch, g.out_height, g.out_width, layer.out};
    graph_.count_flops(2.0 * static_cast<double>(layer.in * taps) * static_cast<double>(y.size()));
    y.tensor = graph_.kernel<kernels::GemmArgs>(
        extents(y), {x.tensor, layer.weight, bias ? bias->tensor : layer.bias, residual ? residual->tensor : nullptr},
        args, bind_gemm, kernels::gemm_tasks, kernels::gemm_task);
    return y;
}

Map CpuOps::group_norm(const Map& x, const Norm& norm, bool silu) {
    kernels::GroupNormArgs args;
    args.batch = x.batch, args.pixels = x.pixels(), args.channels = x.channels;
    args.groups = norm.groups, args.eps = norm.eps, args.silu = silu;
    const int64_t sums_size = kernels::group_norm_sums_size(x.batch, x.pixels(), x.channels, norm.groups);
    ggml_tensor* sums = graph_.kernel<kernels::GroupNormArgs>(
        {sums_size, 1, 1, 1}, {x.tensor}, args,
        [](kernels::GroupNormArgs& bound, const ggml_tensor* dst) {
            bound.x = data(dst->src[0]);
            bound.sums = mutable_data(dst);
        },
        kernels::group_norm_sums_tasks, kernels::group_norm_sums_task);
    return like(x, graph_.kernel<kernels::GroupNormArgs>(
                       extents(x), {x.tensor, sums, norm.gamma, norm.beta}, args,
                       [](kernels::GroupNormArgs& bound, const ggml_tensor* dst) {
                           bound.x = data(dst->src[0]);
                           bound.sums = mutable_data(dst->src[1]);
                           bound.gamma = data(dst->src[2]);
                           bound.beta = data(dst->src[3]);
                           bound.y = mutable_data(dst);
                       },
                       kernels::group_norm_apply_tasks, kernels::group_norm_apply_task));
}

Map CpuOps::layer_norm(const Map& x, const Norm& norm) {
    kernels::LayerNormArgs args;
    args.rows = x.batch * x.pixels(), args.channels = x.channels, args.eps = norm.eps;
    return like(x, graph_.kernel<kernels::LayerNormArgs>(
                       extents(x), {x.tensor, norm.gamma, norm.beta}, args,
                       [](kernels::LayerNormArgs& bound, const ggml_tensor* dst) {
                           bound.x = data(dst->src[0]);
                           bound.gamma = data(dst->src[1]);
                           bound.beta = data(dst->src[2]);
                           bound.y = mutable_data(dst);
                       },
                       kernels::layer_norm_tasks, kernels::layer_norm_task));
}

Map CpuOps::attention(const Map& q, const Map& k, const Map& v, const AttentionSpec& spec) {
    kernels::AttentionArgs args;
    args.q_stride = q.channels, args.k_stride = k.channels, args.v_stride = v.channels, args.out_stride = q.channels;
    args.batch = q.batch, args.queries_per_key = spec.queries_per_key;
    args.q_tokens = q.pixels(), args.k_tokens = k.pixels();
    args.heads = spec.heads, args.head_dim = q.channels / spec.heads;
    args.scale = 1.0f / std::sqrt(static_cast<float>(args.head_dim));
    args.causal = spec.causal;
    graph_.count_flops(4.0 * static_cast<double>(q.size()) * static_cast<double>(k.pixels()));
    return like(q, graph_.kernel<kernels::AttentionArgs>(
                       extents(q), {q.tensor, k.tensor, v.tensor}, args,
                       [](kernels::AttentionArgs& bound, const ggml_tensor* dst) {
                           bound.q = data(dst->src[0]);
                           bound.k = data(dst->src[1]);
                           bound.v = data(dst->src[2]);
                           bound.out = mutable_data(dst);
                       },
                       kernels::attention_tasks, kernels::attention_task));
}

Map CpuOps::activation(const Map& x, Activation kind) {
    kernels::ActivationArgs args;
    args.kind = kind;
    args.size = x.size();
    return like(x, graph_.kernel<kernels::ActivationArgs>(
                       extents(x), {x.tensor}, args,
                       [](kernels::ActivationArgs& bound, const ggml_tensor* dst) {
                           bound.x = data(dst->src[0]);
                           bound.y = mutable_data(dst);
                       },
                       kernels::activation_tasks, kernels::activation_task));
}

Map CpuOps::geglu(const Map& x) {
    kernels::GegluArgs args;
    args.rows = x.batch * x.pixels(), args.channels = x.channels / 2;
    Map y = x;
    y.channels = args.channels;
    y.tensor = graph_.kernel<kernels::GegluArgs>(
        extents(y), {x.tensor}, args,
        [](kernels::GegluArgs& bound, const ggml_tensor* dst) {
            bound.x = data(dst->src[0]);
            bound.y = mutable_data(dst);
        },
        kernels::geglu_tasks, kernels::geglu_task);
    return y;
}

Map CpuOps::concat(const Map& a, const Map& b) {
    kernels::ConcatArgs args;
    args.rows = a.batch * a.pixels(), args.a_channels = a.channels, args.b_channels = b.channels;
    Map y = a;
    y.channels = a.channels + b.channels;
    y.tensor = graph_.kernel<kernels::ConcatArgs>(
        extents(y), {a.tensor, b.tensor}, args,
        [](kernels::ConcatArgs& bound, const ggml_tensor* dst) {
            bound.a = data(dst->src[0]);
            bound.b = data(dst->src[1]);
            bound.y = mutable_data(dst);
        },
        kernels::concat_tasks, kernels::concat_task);
    return y;
}

Map CpuOps::embed(ggml_tensor* ids, int64_t batch, ggml_tensor* tokens, ggml_tensor* positions) {
    kernels::EmbedArgs args;
    const int64_t width = tokens->ne[0], length = positions->ne[1];
    args.tokens = view(tokens, 1, tokens->ne[1], width);
    args.positions = view(positions, 1, length, width);
    args.rows = batch * length;
    Map y{nullptr, batch, 1, length, width};
    y.tensor = graph_.kernel<kernels::EmbedArgs>(
        extents(y), {ids, tokens, positions}, args,
        [](kernels::EmbedArgs& bound, const ggml_tensor* dst) {
            bound.ids = static_cast<const int32_t*>(dst->src[0]->data);
            bound.tokens.data = dst->src[1]->data;
            bound.positions.data = dst->src[2]->data;
            bound.y = mutable_data(dst);
        },
        kernels::embed_tasks, kernels::embed_task);
    return y;
}

}  // namespace nd::ops
