#include "native/ops/ggml_ops.h"

#include <cmath>
#include <vector>

#include "native/error.h"
#include "native/ops/planes.h"

namespace nd::ops {

namespace {

constexpr int64_t kMostScores = int64_t{16} << 20;  // f32 values of an attention's scores, 64 MiB

int64_t vectors(const ggml_tensor* x) {
    return x->ne[1] * x->ne[2] * x->ne[3];
}

// [heads x d, tokens, 1, batch] -> [d, tokens, heads, batch]
ggml_tensor* by_head(ggml_context* context, ggml_tensor* x, int64_t tokens, int64_t heads, int64_t batch) {
    ggml_tensor* split = ggml_reshape_4d(context, x, x->ne[0] / heads, heads, tokens, batch);
    return ggml_permute(context, split, 0, 2, 1, 3);
}

// Rows of keys as often as consecutive rows of queries share them.
ggml_tensor* repeat_rows(ggml_context* context, ggml_tensor* x, int64_t tokens, int64_t times) {
    if (times == 1) return x;
    const int64_t rows = x->ne[3];
    ggml_tensor* apart = ggml_reshape_4d(context, x, x->ne[0], tokens, 1, rows);
    ggml_tensor* repeated = ggml_repeat_4d(context, apart, x->ne[0], tokens, times, rows);
    return ggml_reshape_4d(context, repeated, x->ne[0], tokens, 1, times * rows);
}

}  // namespace

Map GgmlOps::done(Map map, ggml_tensor* tensor, bool is_planes) {
    if (is_planes) planes_.insert(tensor);
    graph_.add(tensor);
    map.tensor = tensor;
    return map;
}

ggml_tensor* GgmlOps::turned(ggml_tensor* tensor, bool to_planes) {
    ggml_tensor*& other = turned_[tensor];
    if (!other) {
        other = to_planes ? ggml_permute(context(), tensor, 2, 0, 1, 3) : ggml_permute(context(), tensor, 1, 2, 0, 3);
        other = ggml_cont(context(), other);
        if (to_planes) planes_.insert(other);
    }
    return other;
}

Map GgmlOps::input(int64_t batch, int64_t height, int64_t width, int64_t channels) {
    return {graph_.input(GGML_TYPE_F32, {channels, width, height, batch}), batch, height, width, channels};
}

void GgmlOps::output(const Map& map) {
    if (is_planes(map.tensor)) fail("INVALID_ARGUMENT", "an output of a graph is planes");
    graph_.output(map.tensor);
}

void GgmlOps::write(const Map& map, const float* planes) const {
    std::vector<float> last(static_cast<size_t>(map.size()));
    planes_to_map(map, planes, last.data());
    ggml_backend_tensor_set(map.tensor, last.data(), 0, last.size() * sizeof(float));
}

void GgmlOps::read(const Map& map, float* planes) const {
    std::vector<float> last(static_cast<size_t>(map.size()));
    ggml_backend_tensor_get(map.tensor, last.data(), 0, last.size() * sizeof(float));
    map_to_planes(map, last.data(), planes);
}

ggml_tensor* GgmlOps::multiply(ggml_tensor* weight, ggml_tensor* x) {
    operations_[0] += 2.0 * static_cast<double>(weight->ne[0] * weight->ne[1]) * static_cast<double>(vectors(x));
    ggml_tensor* y = ggml_mul_mat(context(), weight, ggml_reshape_2d(context(), x, x->ne[0], vectors(x)));
    ggml_mul_mat_set_prec(y, GGML_PREC_F32);  // sums, where a device would add in f16
    return y;
}

Map GgmlOps::linear(const Map& x, const Linear& layer, const Map* residual) {
    Map y = x;
    y.channels = layer.out;
    ggml_tensor* product = multiply(layer.weight, as_last(x));
    if (const LowRank* change = low_rank_of(layer.weight))
        product = ggml_add(context(), product, multiply(change->up, multiply(change->down, as_last(x))));
    product = ggml_reshape_4d(context(), product, y.channels, y.width, y.height, y.batch);
    if (layer.bias) product = ggml_add(context(), product, layer.bias);
    if (residual) product = ggml_add(context(), product, as_last(*residual));
    return done(y, product, false);
}

// What each pixel of the result sees, {in * kernel * kernel, width, height, batch}, in the order of the weights.
ggml_tensor* GgmlOps::columns(const Map& x, const Conv& layer, const ConvSpec& spec, Map& y) {
    const int pad = spec.pad_bottom_right ? 0 : spec.pad >= 0 ? spec.pad : layer.kernel / 2;
    if (layer.kernel == 1 && spec.stride == 1 && pad == 0 && !spec.pad_bottom_right && !spec.upsample_to) {
        y = {nullptr, x.batch, x.height, x.width, layer.out};
        return as_last(x);
    }
    ggml_tensor* planes = as_planes(x);
    if (spec.upsample_to) {
        planes = ggml_interpolate(context(), planes, spec.upsample_to->width, spec.upsample_to->height, x.channels,
                                  x.batch, GGML_SCALE_MODE_NEAREST);
    }
    if (spec.pad_bottom_right) planes = ggml_pad(context(), planes, 1, 1, 0, 0);
    const auto out = [&](int64_t side) { return (side + 2 * pad - layer.kernel) / spec.stride + 1; };
    y = {nullptr, x.batch, out(planes->ne[1]), out(planes->ne[0]), layer.out};
    backend::check_extents({layer.in * layer.kernel * layer.kernel, y.width, y.height, y.batch});
    ggml_tensor* kernel = ggml_reshape_4d(context(), layer.weight, layer.kernel, layer.kernel, layer.in, layer.out);
    const ggml_type type = layer.weight->type == GGML_TYPE_F16 ? GGML_TYPE_F16 : GGML_TYPE_F32;
    return ggml_im2col(context(), kernel, planes, spec.stride, spec.stride, pad, pad, 1, 1, true, type);
}

Map GgmlOps::conv2d(const Map& x, const Conv& layer, const ConvSpec& spec, const Map* residual, const Map* bias) {
    Map y;
    ggml_tensor* seen = columns(x, layer, spec, y);
    ggml_tensor* product = multiply(layer.weight, seen);
    product = ggml_reshape_4d(context(), product, y.channels, y.width, y.height, y.batch);
    ggml_tensor* added = bias ? as_last(*bias) : layer.bias;
    if (added) product = ggml_add(context(), product, added);
    if (residual) product = ggml_add(context(), product, as_last(*residual));
    return done(y, product, false);
}

Map GgmlOps::group_norm(const Map& x, const Norm& norm, bool silu, bool /*last*/) {
    ggml_tensor* y = ggml_group_norm(context(), as_planes(x), static_cast<int>(norm.groups), norm.eps);
    y = ggml_mul(context(), y, ggml_reshape_3d(context(), norm.gamma, 1, 1, x.channels));
    y = ggml_add(context(), y, ggml_reshape_3d(context(), norm.beta, 1, 1, x.channels));
    return done(x, silu ? ggml_silu(context(), y) : y, true);
}

Map GgmlOps::layer_norm(const Map& x, const Norm& norm) {
    ggml_tensor* y = ggml_norm(context(), as_last(x), norm.eps);
    return done(x, ggml_add(context(), ggml_mul(context(), y, norm.gamma), norm.beta), false);
}

// softmax(q k^T) v of [d, tokens, heads, batch] -> [d, heads, tokens, batch]
ggml_tensor* GgmlOps::with_scores(ggml_tensor* q, ggml_tensor* k, ggml_tensor* v, float scale, bool causal) const {
    ggml_tensor* scores = ggml_mul_mat(context(), ggml_cont(context(), k), ggml_cont(context(), q));
    ggml_mul_mat_set_prec(scores, GGML_PREC_F32);
    if (causal) scores = ggml_diag_mask_inf(context(), scores, 0);
    scores = ggml_soft_max_ext(context(), scores, nullptr, scale, 0.0f);
    ggml_tensor* values = ggml_cont(context(), ggml_transpose(context(), v));
    ggml_tensor* attended = ggml_mul_mat(context(), values, scores);
    ggml_mul_mat_set_prec(attended, GGML_PREC_F32);
    return ggml_cont(context(), ggml_permute(context(), attended, 0, 2, 1, 3));
}

// The same as one operation with keys and values in f16, or null where the device has none for this shape.
ggml_tensor* GgmlOps::without_scores(ggml_tensor* q, ggml_tensor* k, ggml_tensor* v, float scale) const {
    ggml_tensor* attended =
        ggml_flash_attn_ext(context(), ggml_cont(context(), q), ggml_cast(context(), k, GGML_TYPE_F16),
                            ggml_cast(context(), v, GGML_TYPE_F16), nullptr, scale, 0.0f, 0.0f);
    ggml_flash_attn_ext_set_prec(attended, GGML_PREC_F32);
    return graph_.device().supports(attended) ? attended : nullptr;
}

Map GgmlOps::attention(const Map& q, const Map& k, const Map& v, const AttentionSpec& spec) {
    const int64_t heads = spec.heads;
    const float scale = 1.0f / std::sqrt(static_cast<float>(q.channels / heads));
    operations_[0] += 4.0 * static_cast<double>(q.size()) * static_cast<double>(k.pixels());
    const auto split = [&](const Map& x, int64_t times) {
        ggml_tensor* rows = repeat_rows(context(), as_last(x), x.pixels(), times);
        return by_head(context(), rows, x.pixels(), heads, x.batch * times);
    };
    ggml_tensor *queries = split(q, 1), *keys = split(k, spec.queries_per_key),
                *values = split(v, spec.queries_per_key);
    constexpr int64_t kMostDimensions = 256;  // of a head; beyond it no device is fast without scores
    const bool small = q.pixels() * k.pixels() * heads * q.batch <= kMostScores;
    const bool scored = spec.causal || q.channels / heads > kMostDimensions || (exact_ && small);
    ggml_tensor* attended = scored ? nullptr : without_scores(queries, keys, values, scale);
    if (!attended) attended = with_scores(queries, keys, values, scale, spec.causal);
    return done(q, ggml_reshape_4d(context(), attended, q.channels, q.width, q.height, q.batch), false);
}

Map GgmlOps::activation(const Map& x, Activation kind) {
    ggml_context* ctx = context();
    ggml_tensor* y = nullptr;
    switch (kind) {
        case Activation::silu:
            y = ggml_silu(ctx, x.tensor);
            break;
        case Activation::gelu:
            y = ggml_gelu_erf(ctx, x.tensor);
            break;
        case Activation::gelu_tanh:
            y = ggml_gelu(ctx, x.tensor);
            break;
        case Activation::quick_gelu:
            y = ggml_mul(ctx, x.tensor, ggml_sigmoid(ctx, ggml_scale(ctx, x.tensor, 1.702f)));
            break;
        case Activation::relu:
            y = ggml_relu(ctx, x.tensor);
            break;
        case Activation::leaky_relu:
            y = ggml_leaky_relu(ctx, x.tensor, 0.2f, false);
            break;
    }
    return done(x, y, is_planes(x.tensor));
}

Map GgmlOps::geglu(const Map& x, const Linear& layer) {
    Map y = linear(x, layer, nullptr);
    y.channels = layer.out / 2;
    return done(y, ggml_geglu_erf_swapped(context(), y.tensor), false);
}

Map GgmlOps::add(const Map& a, const Map& b, float scale) {
    ggml_tensor* x = as_last(a);
    if (scale != 1.0f) x = ggml_scale(context(), x, scale);
    return done(a, ggml_add(context(), x, as_last(b)), false);
}

Map GgmlOps::concat(const Map& a, const Map& b) {
    Map y = a;
    y.channels = a.channels + b.channels;
    return done(y, ggml_concat(context(), as_last(a), as_last(b), 0), false);
}

Map GgmlOps::add_rows(const Map& x, const Map& rows, bool /*last*/) {
    ggml_tensor* apart =
        ggml_reshape_4d(context(), as_last(x), x.channels, x.pixels(), x.batch / rows.batch, rows.batch);
    ggml_tensor* sum = ggml_add(context(), apart, as_last(rows));
    return done(x, ggml_reshape_4d(context(), sum, x.channels, x.width, x.height, x.batch), false);
}

Map GgmlOps::embed(ggml_tensor* ids, int64_t batch, ggml_tensor* tokens, ggml_tensor* positions, ggml_tensor* extra) {
    const auto as_f32 = [&](ggml_tensor* table) {
        return table->type == GGML_TYPE_F32 ? table : ggml_cast(context(), table, GGML_TYPE_F32);
    };
    const int64_t width = tokens->ne[0], length = positions->ne[1];
    ggml_tensor* table = tokens;
    if (extra) {
        ggml_tensor* more = ggml_reshape_2d(context(), extra, width, ggml_nelements(extra) / width);
        table = ggml_concat(context(), as_f32(tokens), more, 1);
    }
    ggml_tensor* rows = ggml_get_rows(context(), table, ggml_reshape_1d(context(), ids, batch * length));
    rows = ggml_reshape_4d(context(), rows, width, length, 1, batch);
    return done({nullptr, batch, 1, length, width}, ggml_add(context(), rows, as_f32(positions)), false);
}

}  // namespace nd::ops
