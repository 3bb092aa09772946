#include "native/ops/cpu_ops.h"

#include <cmath>

#include "native/error.h"
#include "native/kernels/attention/attention.h"
#include "native/kernels/cpu.h"
#include "native/kernels/embed/embed.h"
#include "native/kernels/gemm/packing.h"
#include "native/kernels/norm/norm.h"
#include "native/kernels/pointwise/pointwise.h"
#include "native/kernels/rows/convert.h"
#include "native/ops/planes.h"

namespace nd::ops {

namespace {

using backend::Extents;
using kernels::Format;

const float* data(const ggml_tensor* tensor) {
    return tensor ? static_cast<const float*>(tensor->data) : nullptr;
}

ggml_type type_of(Format format) {
    return format == Format::f32 ? GGML_TYPE_F32 : format == Format::bf16 ? GGML_TYPE_BF16 : GGML_TYPE_I8;
}

Format format_of(const ggml_tensor* tensor) {
    return tensor->type == GGML_TYPE_F32 ? Format::f32 : tensor->type == GGML_TYPE_BF16 ? Format::bf16 : Format::i8;
}

// The innermost extent of a map's tensor: values, but bytes where they are i8.
int64_t row_extent(Format format, int64_t channels) {
    return format == Format::i8 ? static_cast<int64_t>(kernels::row_bytes(format, channels)) : channels;
}

Extents extents(const Map& map, Format format = Format::f32) {
    return {row_extent(format, map.channels), map.width, map.height, map.batch};
}

Map like(const Map& map, ggml_tensor* tensor) {
    return {tensor, map.batch, map.height, map.width, map.channels};
}

kernels::WeightView view(const ggml_tensor* weight, int64_t taps, int64_t n, int64_t c) {
    return {weight->type,
            weight->data,
            ggml_row_size(weight->type, c) * static_cast<size_t>(taps),
            n,
            taps,
            c,
            kernels::packing_of(*weight),
            kernels::is_gated(*weight)};
}

// The pointers and formats of a kernel that reads its first source and writes dst.
template <class Args>
void bind_rows(Args& args, const ggml_tensor* dst) {
    args.x = dst->src[0]->data, args.x_format = format_of(dst->src[0]);
    args.y = dst->data, args.y_format = format_of(dst);
}

// sources: x, weight, bias, residual
void bind_gemm(kernels::GemmArgs& args, const ggml_tensor* dst) {
    args.x = dst->src[0]->data;
    args.weights.data = dst->src[1]->data;
    args.bias = data(dst->src[2]);
    args.residual = dst->src[3] ? dst->src[3]->data : nullptr;
    if (dst->src[3]) args.residual_format = format_of(dst->src[3]);
    args.y = dst->data, args.y_format = format_of(dst);
}

}  // namespace

Formats Formats::packed(bool exact_stream) {
    if (!kernels::has_bf16()) return {};
    return {exact_stream ? Format::f32 : Format::bf16, Format::bf16};
}

Map CpuOps::open(const Map& map, bool also_i8) {
    open_[map.tensor] = also_i8;
    return map;
}

ggml_tensor* CpuOps::as(const Map& x, Format wanted) {
    const auto found = open_.find(x.tensor);
    const bool can_become = found != open_.end() && (wanted != Format::i8 || found->second);
    if (found != open_.end()) open_.erase(found);
    if (format_of(x.tensor) == wanted) return x.tensor;
    if (can_become) {
        backend::Graph::retype(x.tensor, type_of(wanted), row_extent(wanted, x.channels));
        return x.tensor;
    }
    ggml_tensor*& converted = converted_[{x.tensor, wanted}];
    if (!converted) {
        kernels::ConvertArgs args;
        args.rows = x.batch * x.pixels(), args.channels = x.channels;
        converted = graph_.kernel<kernels::ConvertArgs>(type_of(wanted), extents(x, wanted), {x.tensor}, args,
                                                        bind_rows<kernels::ConvertArgs>, kernels::convert_tasks,
                                                        kernels::convert_task);
    }
    return converted;
}

ggml_tensor* CpuOps::as_numbers(const Map& x) {
    return as(x, format_of(x.tensor) == Format::i8 ? Format::f32 : format_of(x.tensor));
}

void CpuOps::output(const Map& map) {
    if (as(map, Format::f32) != map.tensor) fail("INVALID_ARGUMENT", "an output of a graph was read by another node");
    graph_.output(map.tensor);
}

Map CpuOps::input(int64_t batch, int64_t height, int64_t width, int64_t channels) {
    return {graph_.input(GGML_TYPE_F32, {channels, width, height, batch}), batch, height, width, channels};
}

void CpuOps::write(const Map& map, const float* planes) const {
    planes_to_map(map, planes, static_cast<float*>(map.tensor->data));
}

void CpuOps::read(const Map& map, float* planes) const {
    map_to_planes(map, data(map.tensor), planes);
}

Map CpuOps::multiply(kernels::GemmArgs args, const Map& x, ggml_tensor* weight, ggml_tensor* bias, const Map* residual,
                     Map y, Format y_format) {
    const kernels::WeightView& w = args.weights;
    const Format format = kernels::format_of(w.packing);
    const bool packed = w.packing != kernels::Packing::rows;
    args.x_stride = row_extent(format, w.c), args.y_stride = y.channels;
    ggml_tensor* added = !residual ? nullptr : packed ? as_numbers(*residual) : as(*residual, Format::f32);
    count(format, 2.0 * static_cast<double>(w.c * w.taps * w.n) * static_cast<double>(y.batch * y.pixels()));
    if (!packed) y_format = Format::f32;
    y.tensor = graph_.kernel<kernels::GemmArgs>(type_of(y_format), extents(y), {as(x, format), weight, bias, added},
                                                args, bind_gemm, kernels::gemm_tasks, kernels::gemm_task);
    return packed ? open(y, false) : y;
}

kernels::GemmArgs CpuOps::linear_args(const Map& x, const Linear& layer) {
    kernels::GemmArgs args;
    // Rows are rows: batch and picture make no difference to a linear layer.
    args.geometry.width = args.geometry.out_width = x.batch * x.pixels();
    args.weights = view(layer.weight, 1, layer.out, layer.in);
    return args;
}

Map CpuOps::linear(const Map& x, const Linear& layer, const Map* residual) {
    Map y = x;
    y.channels = layer.out;
    // The change reads x first, before the layer asks for it in eight bits.
    const LowRank* change = low_rank_of(layer.weight);
    const Map inner = change ? linear(x, {change->down, nullptr, layer.in, change->rank}, nullptr) : Map{};
    y = multiply(linear_args(x, layer), x, layer.weight, layer.bias, residual, y, formats_.stream);
    return change ? linear(inner, {change->up, nullptr, change->rank, layer.out}, &y) : y;
}

Map CpuOps::geglu(const Map& x, const Linear& layer) {
    kernels::GemmArgs args = linear_args(x, layer);
    args.gated = true;
    Map y = x;
    y.channels = layer.out / 2;
    return multiply(args, x, layer.weight, layer.bias, nullptr, y, formats_.inner);
}

Map CpuOps::conv2d(const Map& x, const Conv& layer, const ConvSpec& spec, const Map* residual, const Map* bias) {
    const LowRank* change = low_rank_of(layer.weight);
    const Conv down{change ? change->down : nullptr, nullptr, layer.in, change ? change->rank : 0, layer.kernel};
    const Map inner = change ? conv2d(x, down, spec, nullptr, nullptr) : Map{};
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
    args.weights = view(layer.weight, static_cast<int64_t>(layer.kernel) * layer.kernel, layer.out, layer.in);
    Map y{nullptr, x.batch, g.out_height, g.out_width, layer.out};
    y = multiply(args, x, layer.weight, bias ? as(*bias, Format::f32) : layer.bias, residual, y, formats_.stream);
    return change ? linear(inner, {change->up, nullptr, change->rank, layer.out}, &y) : y;
}

Map CpuOps::group_norm(const Map& x, const Norm& norm, bool silu, bool last) {
    using Args = kernels::GroupNormArgs;
    Args args;
    args.batch = x.batch, args.pixels = x.pixels(), args.channels = x.channels;
    args.groups = norm.groups, args.eps = norm.eps, args.silu = silu;
    ggml_tensor* source = as_numbers(x);
    const int64_t sums_size = kernels::group_norm_sums_size(x.batch, x.pixels(), x.channels, norm.groups);
    ggml_tensor* sums = graph_.kernel<Args>(
        GGML_TYPE_F32, {sums_size, 1, 1, 1}, {source}, args,
        [](Args& bound, const ggml_tensor* dst) {
            bound.x = dst->src[0]->data, bound.x_format = format_of(dst->src[0]);
            bound.sums = static_cast<float*>(dst->data);
        },
        kernels::group_norm_sums_tasks, kernels::group_norm_sums_task);
    const Map y = like(x, graph_.kernel<Args>(
                              GGML_TYPE_F32, extents(x), {source, sums, norm.gamma, norm.beta}, args,
                              [](Args& bound, const ggml_tensor* dst) {
                                  bind_rows(bound, dst);
                                  bound.sums = static_cast<float*>(dst->src[1]->data);
                                  bound.gamma = data(dst->src[2]);
                                  bound.beta = data(dst->src[3]);
                              },
                              kernels::group_norm_apply_tasks, kernels::group_norm_apply_task));
    if (last) graph_.write_over(y.tensor, source);
    return open(y, true);
}

Map CpuOps::layer_norm(const Map& x, const Norm& norm) {
    using Args = kernels::LayerNormArgs;
    Args args;
    args.rows = x.batch * x.pixels(), args.channels = x.channels, args.eps = norm.eps;
    return open(like(x, graph_.kernel<Args>(
                            GGML_TYPE_F32, extents(x), {as_numbers(x), norm.gamma, norm.beta}, args,
                            [](Args& bound, const ggml_tensor* dst) {
                                bind_rows(bound, dst);
                                bound.gamma = data(dst->src[1]);
                                bound.beta = data(dst->src[2]);
                            },
                            kernels::layer_norm_tasks, kernels::layer_norm_task)),
                true);
}

Map CpuOps::attention(const Map& q, const Map& k, const Map& v, const AttentionSpec& spec) {
    using Args = kernels::AttentionArgs;
    Args args;
    args.q_stride = q.channels, args.k_stride = k.channels, args.v_stride = v.channels, args.out_stride = q.channels;
    args.batch = q.batch, args.queries_per_key = spec.queries_per_key;
    args.q_tokens = q.pixels(), args.k_tokens = k.pixels();
    args.heads = spec.heads, args.head_dim = q.channels / spec.heads;
    args.scale = 1.0f / std::sqrt(static_cast<float>(args.head_dim));
    args.causal = spec.causal;
    const Format format = args.format = formats_.inner;
    count(format, 4.0 * static_cast<double>(q.size()) * static_cast<double>(k.pixels()));
    return like(q, graph_.kernel<Args>(
                       type_of(format), extents(q), {as(q, format), as(k, format), as(v, format)}, args,
                       [](Args& bound, const ggml_tensor* dst) {
                           bound.q = dst->src[0]->data;
                           bound.k = dst->src[1]->data;
                           bound.v = dst->src[2]->data;
                           bound.out = dst->data;
                       },
                       kernels::attention_tasks, kernels::attention_task));
}

Map CpuOps::activation(const Map& x, Activation kind) {
    using Args = kernels::ActivationArgs;
    Args args;
    args.kind = kind, args.rows = x.batch * x.pixels(), args.channels = x.channels;
    return open(like(x, graph_.kernel<Args>(GGML_TYPE_F32, extents(x), {as_numbers(x)}, args, bind_rows<Args>,
                                            kernels::activation_tasks, kernels::activation_task)),
                true);
}

// Not open to other formats: a sum is a stream, whose next reader is a product as a rule.
Map CpuOps::add(const Map& a, const Map& b, float scale) {
    kernels::AddArgs args;
    args.rows = a.batch * a.pixels(), args.b_rows = b.batch * b.pixels(), args.channels = a.channels;
    args.scale = scale;
    return like(a, graph_.kernel<kernels::AddArgs>(
                       type_of(formats_.stream), extents(a), {as_numbers(a), as_numbers(b)}, args,
                       [](kernels::AddArgs& bound, const ggml_tensor* dst) {
                           bound.a = dst->src[0]->data, bound.a_format = format_of(dst->src[0]);
                           bound.b = dst->src[1]->data, bound.b_format = format_of(dst->src[1]);
                           bound.y = dst->data, bound.y_format = format_of(dst);
                       },
                       kernels::add_tasks, kernels::add_task));
}

Map CpuOps::concat(const Map& a, const Map& b) {
    using Args = kernels::ConcatArgs;
    Args args;
    args.rows = a.batch * a.pixels(), args.a_channels = a.channels, args.b_channels = b.channels;
    Map y = a;
    y.channels = a.channels + b.channels;
    y.tensor = graph_.kernel<Args>(
        type_of(formats_.inner), extents(y), {as_numbers(a), as_numbers(b)}, args,
        [](Args& bound, const ggml_tensor* dst) {
            bound.a = dst->src[0]->data, bound.a_format = format_of(dst->src[0]);
            bound.b = dst->src[1]->data, bound.b_format = format_of(dst->src[1]);
            bound.y = dst->data, bound.y_format = format_of(dst);
        },
        kernels::concat_tasks, kernels::concat_task);
    return y;
}

Map CpuOps::add_rows(const Map& x, const Map& rows, bool last) {
    using Args = kernels::AddRowsArgs;
    Args args;
    args.rows = x.batch * x.pixels(), args.channels = x.channels;
    args.rows_per_addend = args.rows / rows.batch;
    ggml_tensor* source = as_numbers(x);
    const Map y = like(x, graph_.kernel<Args>(
                              GGML_TYPE_F32, extents(x), {source, as(rows, Format::f32)}, args,
                              [](Args& bound, const ggml_tensor* dst) {
                                  bind_rows(bound, dst);
                                  bound.addends = data(dst->src[1]);
                              },
                              kernels::add_rows_tasks, kernels::add_rows_task));
    if (last) graph_.write_over(y.tensor, source);
    return open(y, false);
}

Map CpuOps::embed(ggml_tensor* ids, int64_t batch, ggml_tensor* tokens, ggml_tensor* positions, ggml_tensor* extra) {
    kernels::EmbedArgs args;
    const int64_t width = tokens->ne[0], length = positions->ne[1];
    args.tokens = view(tokens, 1, tokens->ne[1], width);
    args.positions = view(positions, 1, length, width);
    args.rows = batch * length;
    Map y{nullptr, batch, 1, length, width};
    y.tensor = graph_.kernel<kernels::EmbedArgs>(
        GGML_TYPE_F32, extents(y), {ids, tokens, positions, extra}, args,
        [](kernels::EmbedArgs& bound, const ggml_tensor* dst) {
            bound.ids = static_cast<const int32_t*>(dst->src[0]->data);
            bound.tokens.data = dst->src[1]->data;
            bound.positions.data = dst->src[2]->data;
            bound.extra = data(dst->src[3]);
            bound.y = static_cast<float*>(dst->data);
        },
        kernels::embed_tasks, kernels::embed_task);
    return y;
}

}  // namespace nd::ops
