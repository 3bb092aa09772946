#include "native/models/autoencoder_kl.h"

namespace nd::models {

namespace {

ResnetBlock resnet(weights::WeightStore& store, const std::string& name, int64_t in, int64_t out,
                   const VaeConfig& config) {
    return ResnetBlock::declare(store, name, in, out, 0, config.groups, config.eps);
}

}  // namespace

VaeMiddle VaeMiddle::declare(weights::WeightStore& store, const std::string& name, int64_t channels,
                             const VaeConfig& config) {
    VaeMiddle middle;
    middle.resnet1 = resnet(store, name + "resnets.0", channels, channels, config);
    if (config.mid_attention) {
        middle.attention =
            AttentionBlock::declare(store, name + "attentions.0", channels, 1, config.groups, config.eps);
    }
    middle.resnet2 = resnet(store, name + "resnets.1", channels, channels, config);
    return middle;
}

ops::Map VaeMiddle::forward(ops::Ops& ops, ops::Map x) const {
    x = resnet1.forward(ops, x, nullptr);
    if (attention) x = attention->forward(ops, x);
    return resnet2.forward(ops, x, nullptr);
}

VaeDecoder::VaeDecoder(const VaeConfig& config, weights::WeightStore& store) {
    const std::string vae = "vae.", decoder = vae + "decoder.";
    int64_t channels = config.decoder_channels.back();
    if (store.has(vae + "post_quant_conv.weight")) {
        post_quant_ = conv(store, vae + "post_quant_conv", config.latent_channels, config.latent_channels, 1);
    }
    conv_in_ = conv(store, decoder + "conv_in", config.latent_channels, channels);
    middle_ = VaeMiddle::declare(store, decoder + "mid_block.", channels, config);
    const size_t levels = config.decoder_channels.size();
    for (size_t i = 0; i < levels; i++) {
        const auto block = decoder + "up_blocks." + std::to_string(i) + ".";
        const int64_t out = config.decoder_channels[levels - 1 - i];
        Level level;
        for (int64_t j = 0; j < config.decoder_layers; j++) {
            level.resnets.push_back(resnet(store, block + "resnets." + std::to_string(j), channels, out, config));
            channels = out;
        }
        if (i + 1 < levels) level.upsample = conv(store, block + "upsamplers.0.conv", channels, channels);
        levels_.push_back(std::move(level));
    }
    norm_out_ = norm(store, decoder + "conv_norm_out", channels, config.eps, config.groups);
    conv_out_ = conv(store, decoder + "conv_out", channels, config.image_channels);
}

ops::Map VaeDecoder::forward(ops::Ops& ops, const ops::Map& latents) const {
    ops::Map x = post_quant_ ? ops.conv2d(latents, *post_quant_) : latents;
    x = middle_.forward(ops, ops.conv2d(x, conv_in_));
    for (const auto& level : levels_) {
        for (const auto& resnet : level.resnets) x = resnet.forward(ops, x, nullptr);
        if (level.upsample) x = ops.conv2d(x, *level.upsample, {.upsample_to = {{2 * x.height, 2 * x.width}}});
    }
    return ops.conv2d(ops.group_norm(x, norm_out_, true, true), conv_out_);
}

VaeEncoder::VaeEncoder(const VaeConfig& config, weights::WeightStore& store) {
    const std::string vae = "vae.", encoder = vae + "encoder.";
    int64_t channels = config.encoder_channels.front();
    conv_in_ = conv(store, encoder + "conv_in", config.image_channels, channels);
    const size_t levels = config.encoder_channels.size();
    for (size_t i = 0; i < levels; i++) {
        const auto block = encoder + "down_blocks." + std::to_string(i) + ".";
        Level level;
        for (int64_t j = 0; j < config.encoder_layers; j++) {
            level.resnets.push_back(
                resnet(store, block + "resnets." + std::to_string(j), channels, config.encoder_channels[i], config));
            channels = config.encoder_channels[i];
        }
        if (i + 1 < levels) level.downsample = conv(store, block + "downsamplers.0.conv", channels, channels);
        levels_.push_back(std::move(level));
    }
    middle_ = VaeMiddle::declare(store, encoder + "mid_block.", channels, config);
    norm_out_ = norm(store, encoder + "conv_norm_out", channels, config.eps, config.groups);
    const int64_t moments = 2 * config.latent_channels;
    conv_out_ = conv(store, encoder + "conv_out", channels, moments);
    if (store.has(vae + "quant_conv.weight")) quant_ = conv(store, vae + "quant_conv", moments, moments, 1);
}

ops::Map VaeEncoder::forward(ops::Ops& ops, const ops::Map& pixels) const {
    ops::Map x = ops.conv2d(pixels, conv_in_);
    for (const auto& level : levels_) {
        for (const auto& resnet : level.resnets) x = resnet.forward(ops, x, nullptr);
        if (level.downsample) x = ops.conv2d(x, *level.downsample, {.stride = 2, .pad_bottom_right = true});
    }
    x = ops.conv2d(ops.group_norm(middle_.forward(ops, x), norm_out_, true, true), conv_out_);
    return quant_ ? ops.conv2d(x, *quant_) : x;
}

}  // namespace nd::models
