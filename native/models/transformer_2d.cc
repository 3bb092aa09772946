#include "native/models/transformer_2d.h"

namespace nd::models {

namespace {

TransformerBlock declare_block(weights::WeightStore& store, const std::string& name, int64_t c, int64_t context_width) {
    constexpr float eps = 1e-5f;
    return {
        .norm1 = norm(store, name + ".norm1", c, eps),
        .norm2 = norm(store, name + ".norm2", c, eps),
        .norm3 = norm(store, name + ".norm3", c, eps),
        .q1 = linear(store, name + ".attn1.to_q", c, c, false),
        .k1 = linear(store, name + ".attn1.to_k", c, c, false),
        .v1 = linear(store, name + ".attn1.to_v", c, c, false),
        .out1 = linear(store, name + ".attn1.to_out.0", c, c),
        .q2 = linear(store, name + ".attn2.to_q", c, c, false),
        .k2 = linear(store, name + ".attn2.to_k", context_width, c, false),
        .v2 = linear(store, name + ".attn2.to_v", context_width, c, false),
        .out2 = linear(store, name + ".attn2.to_out.0", c, c),
        .ff_in = gated_linear(store, name + ".ff.net.0.proj", c, 4 * c),
        .ff_out = linear(store, name + ".ff.net.2", 4 * c, c),
    };
}

}  // namespace

Transformer2d Transformer2d::declare(weights::WeightStore& store, const std::string& name, int64_t channels,
                                     int64_t context_width, int64_t heads, int64_t block_count, int64_t groups) {
    Transformer2d transformer;
    transformer.heads = heads;
    transformer.norm_in = norm(store, name + ".norm", channels, 1e-6f, groups);
    transformer.proj_in = linear(store, name + ".proj_in", channels, channels);
    for (int64_t i = 0; i < block_count; i++) {
        transformer.blocks.push_back(
            declare_block(store, name + ".transformer_blocks." + std::to_string(i), channels, context_width));
    }
    transformer.proj_out = linear(store, name + ".proj_out", channels, channels);
    return transformer;
}

void Transformer2d::append_keys(ops::Ops& ops, const ops::Map& context, std::vector<CrossAttentionKeys>& keys) const {
    for (const auto& block : blocks) {
        keys.push_back({ops.linear(context, block.k2), ops.linear(context, block.v2)});
    }
}

ops::Map Transformer2d::forward(ops::Ops& ops, const ops::Map& x, const CrossAttentionKeys*& keys,
                                Perturbation::Kind perturbed) const {
    ops::Map h = ops.linear(ops.group_norm(x, norm_in, false), proj_in);
    for (const auto& block : blocks) {
        if (perturbed == Perturbation::Kind::skip) {
            keys++;
            continue;
        }
        ops::Map y = ops.layer_norm(h, block.norm1);
        const ops::Map values = ops.linear(y, block.v1);
        y = perturbed == Perturbation::Kind::identity
                ? values
                : ops.attention(ops.linear(y, block.q1), ops.linear(y, block.k1), values, {.heads = heads});
        h = ops.linear(y, block.out1, &h);

        const ops::Map q = ops.linear(ops.layer_norm(h, block.norm2), block.q2);
        y = ops.attention(q, keys->keys, keys->values, {.heads = heads, .queries_per_key = h.batch / keys->keys.batch});
        h = ops.linear(y, block.out2, &h);
        keys++;

        y = ops.geglu(ops.layer_norm(h, block.norm3), block.ff_in);
        h = ops.linear(y, block.ff_out, &h);
    }
    return ops.linear(h, proj_out, &x);
}

}  // namespace nd::models
