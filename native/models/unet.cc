#include "native/models/unet.h"

#include <cmath>

#include "native/error.h"

namespace nd::models {

UNet::Attention UNet::declare_attention(weights::WeightStore& store, const std::string& name, int64_t channels,
                                        int64_t heads, int64_t blocks) const {
    Attention attention;
    if (blocks == 0) return attention;
    if (config_.unconditional()) {
        attention.self = AttentionBlock::declare(store, name, channels, heads, config_.groups, config_.eps);
    } else {
        attention.transformer =
            Transformer2d::declare(store, name, channels, config_.context_width, heads, blocks, config_.groups);
    }
    return attention;
}

ops::Map UNet::Attention::forward(ops::Ops& ops, const ops::Map& x, const CrossAttentionKeys*& keys,
                                  Perturbation::Kind perturbed) const {
    if (self) return self->forward(ops, x, perturbed);
    return transformer ? transformer->forward(ops, x, keys, perturbed) : x;
}

UNet::Layer UNet::declare_layer(weights::WeightStore& store, const std::string& block, int64_t index, int64_t in,
                                const UNetLevel& level, int64_t attention_blocks) const {
    const auto number = std::to_string(index);
    return {ResnetBlock::declare(store, block + "resnets." + number, in, level.channels, config_.time_width,
                                 config_.groups, config_.eps),
            declare_attention(store, block + "attentions." + number, level.channels, level.heads, attention_blocks)};
}

UNet::UNet(const UNetConfig& config, weights::WeightStore& store) : config_(config) {
    const std::string unet = "unet.";
    const auto& levels = config.levels;
    const int64_t base = levels.front().channels, coarsest = levels.back().channels;
    time1_ = linear(store, unet + "time_embedding.linear_1", base, config.time_width);
    time2_ = linear(store, unet + "time_embedding.linear_2", config.time_width, config.time_width);
    conv_in_ = conv(store, unet + "conv_in", config.in_channels, base);

    std::vector<int64_t> skips{base};  // channels of the maps that the way up takes back
    int64_t channels = base;
    for (size_t i = 0; i < levels.size(); i++) {
        const auto block = unet + "down_blocks." + std::to_string(i) + ".";
        Level level;
        for (int64_t j = 0; j < levels[i].down_layers; j++) {
            level.layers.push_back(declare_layer(store, block, j, channels, levels[i], levels[i].down_attention));
            channels = levels[i].channels;
            skips.push_back(channels);
        }
        if (i + 1 < levels.size()) {
            level.resample = conv(store, block + "downsamplers.0.conv", channels, channels);
            skips.push_back(channels);
        }
        down_.push_back(std::move(level));
    }

    mid1_ = ResnetBlock::declare(store, unet + "mid_block.resnets.0", coarsest, coarsest, config.time_width,
                                 config.groups, config.eps);
    mid_attention_ =
        declare_attention(store, unet + "mid_block.attentions.0", coarsest, config.mid_heads, config.mid_attention);
    mid2_ = ResnetBlock::declare(store, unet + "mid_block.resnets.1", coarsest, coarsest, config.time_width,
                                 config.groups, config.eps);

    for (size_t i = levels.size(); i-- > 0;) {
        const auto block = unet + "up_blocks." + std::to_string(levels.size() - 1 - i) + ".";
        Level level;
        for (int64_t j = 0; j < levels[i].up_layers; j++) {
            if (skips.empty())
                fail("UNKNOWN_ARCHITECTURE", "the UNet's way up has more layers than its way down left maps");
            level.layers.push_back(
                declare_layer(store, block, j, channels + skips.back(), levels[i], levels[i].up_attention));
            skips.pop_back();
            channels = levels[i].channels;
        }
        if (i > 0) level.resample = conv(store, block + "upsamplers.0.conv", channels, channels);
        up_.push_back(std::move(level));
    }
    if (!skips.empty()) fail("UNKNOWN_ARCHITECTURE", "the UNet's way up has fewer layers than its way down left maps");
    norm_out_ = norm(store, unet + "conv_norm_out", base, config.eps, config.groups);
    conv_out_ = conv(store, unet + "conv_out", base, config.out_channels);
}

std::vector<float> UNet::timestep_embedding(double timestep) const {
    const int64_t size = config_.levels.front().channels, half = size / 2;
    std::vector<float> embedding(static_cast<size_t>(size), 0.0f);
    for (int64_t i = 0; i < half; i++) {
        const double frequency =
            std::exp(-std::log(10000.0) * static_cast<double>(i) / (static_cast<double>(half) - config_.freq_shift));
        const double angle = timestep * frequency;
        const int64_t sine = config_.flip_sin_to_cos ? half + i : i, cosine = config_.flip_sin_to_cos ? i : half + i;
        embedding[static_cast<size_t>(sine)] = static_cast<float>(std::sin(angle));
        embedding[static_cast<size_t>(cosine)] = static_cast<float>(std::cos(angle));
    }
    return embedding;
}

std::vector<CrossAttentionKeys> UNet::keys(ops::Ops& ops, const ops::Map& context) const {
    std::vector<CrossAttentionKeys> keys;
    const auto append = [&](const std::vector<Level>& levels) {
        for (const auto& level : levels) {
            for (const auto& layer : level.layers) {
                if (layer.attention.transformer) layer.attention.transformer->append_keys(ops, context, keys);
            }
        }
    };
    append(down_);
    if (mid_attention_.transformer) mid_attention_.transformer->append_keys(ops, context, keys);
    append(up_);
    return keys;
}

ops::Map UNet::forward(ops::Ops& ops, const ops::Map& latents, const ops::Map& embedding,
                       const std::vector<CrossAttentionKeys>& keys, const Perturbation& perturbed) const {
    // Every residual block takes silu of the timestep's embedding: applied once.
    ops::Map time = ops.activation(ops.linear(embedding, time1_), ops::Activation::silu);
    time = ops.activation(ops.linear(time, time2_), ops::Activation::silu);

    const CrossAttentionKeys* next_keys = keys.data();
    const auto apply = [&](const Layer& layer, const ops::Map& x, Perturbation::Kind kind) {
        return layer.attention.forward(ops, layer.resnet.forward(ops, x, &time), next_keys, kind);
    };

    const ops::ConvSpec downsampling{.stride = 2, .pad_bottom_right = config_.pad_bottom_right};
    ops::Map x = ops.conv2d(latents, conv_in_);
    std::vector<ops::Map> skips{x};
    for (size_t i = 0; i < down_.size(); i++) {
        const auto& level = down_[i];
        const auto kind = perturbed.at("down." + std::to_string(i));
        for (const auto& layer : level.layers) skips.push_back(x = apply(layer, x, kind));
        if (level.resample) skips.push_back(x = ops.conv2d(x, *level.resample, downsampling));
    }

    x = mid1_.forward(ops, x, &time);
    x = mid_attention_.forward(ops, x, next_keys, perturbed.at("mid"));
    x = mid2_.forward(ops, x, &time);

    for (size_t i = 0; i < up_.size(); i++) {
        const auto& level = up_[i];
        const auto kind = perturbed.at("up." + std::to_string(i));
        for (const auto& layer : level.layers) {
            x = apply(layer, ops.concat(x, skips.back()), kind);
            skips.pop_back();
        }
        // Up to the size of the next skip, which is odd where the way down rounded up.
        if (level.resample) {
            x = ops.conv2d(x, *level.resample, {.upsample_to = {{skips.back().height, skips.back().width}}});
        }
    }
    return ops.conv2d(ops.group_norm(x, norm_out_, true, true), conv_out_);
}

}  // namespace nd::models
