#include "native/models/clip_text.h"

#include "native/models/layers.h"

namespace nd::models {

ClipText::ClipText(const std::string& component, const ClipTextConfig& config, weights::WeightStore& store)
    : config_(config) {
    const std::string model = component + ".text_model.";
    const int64_t width = config.width;
    tokens_ = store.table(model + "embeddings.token_embedding.weight", config.vocabulary, width);
    positions_ = store.table(model + "embeddings.position_embedding.weight", config.context_length, width);
    for (int64_t i = 0; i < config.layers; i++) {
        const auto layer = model + "encoder.layers." + std::to_string(i) + ".";
        const auto attention = layer + "self_attn.";
        layers_.push_back({
            .norm1 = norm(store, layer + "layer_norm1", width, config.eps),
            .norm2 = norm(store, layer + "layer_norm2", width, config.eps),
            .q = linear(store, attention + "q_proj", width, width),
            .k = linear(store, attention + "k_proj", width, width),
            .v = linear(store, attention + "v_proj", width, width),
            .out = linear(store, attention + "out_proj", width, width),
            .fc1 = linear(store, layer + "mlp.fc1", width, config.intermediate),
            .fc2 = linear(store, layer + "mlp.fc2", config.intermediate, width),
        });
    }
    final_norm_ = norm(store, model + "final_layer_norm", width, config.eps);
    if (config.projection_width > 0)
        projection_ = linear(store, component + ".text_projection", width, config.projection_width, false);
}

ClipText::Encoded ClipText::forward(ops::Ops& ops, ggml_tensor* ids, int64_t batch, int64_t skip_layers,
                                    ggml_tensor* extra) const {
    const auto act = config_.quick_gelu ? ops::Activation::quick_gelu : ops::Activation::gelu;
    const size_t last = layers_.size() - static_cast<size_t>(config_.skipped_layers);
    const size_t wanted = layers_.size() - static_cast<size_t>(skip_layers);
    ops::Map x = ops.embed(ids, batch, tokens_, positions_, extra);
    Encoded encoded{x, {}};
    for (size_t i = 0; i < (projection_.weight ? last : wanted); i++) {
        const Layer& layer = layers_[i];
        const ops::Map y = ops.layer_norm(x, layer.norm1);
        const ops::Map attended = ops.attention(ops.linear(y, layer.q), ops.linear(y, layer.k), ops.linear(y, layer.v),
                                                {.heads = config_.heads, .causal = true});
        x = ops.linear(attended, layer.out, &x);
        const ops::Map hidden = ops.activation(ops.linear(ops.layer_norm(x, layer.norm2), layer.fc1), act);
        x = ops.linear(hidden, layer.fc2, &x);
        if (i + 1 == wanted) encoded.embeddings = x;
    }
    if (config_.final_norm) encoded.embeddings = ops.layer_norm(encoded.embeddings, final_norm_);
    if (projection_.weight) encoded.last = ops.layer_norm(x, final_norm_);
    return encoded;
}

}  // namespace nd::models
