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
    const int64_t base = levels.front().channels;
    time1_ = linear(store, unet + "time_embedding.linear_1", base, config.time_width);
    time2_ = linear(store, unet + "time_embedding.linear_2", config.time_width, config.time_width);
    if (config.guidance_width > 0)
        guidance_ = linear(store, unet + "time_embedding.cond_proj", config.guidance_width, base, false);
    if (config.has_addition()) {
        addition1_ = linear(store, unet + "add_embedding.linear_1", config.addition.width(), config.time_width);
        addition2_ = linear(store, unet + "add_embedding.linear_2", config.time_width, config.time_width);
    }
    conv_in_ = conv(store, unet + "conv_in", config.in_channels, base);

    std::vector<int64_t> skips{base};  // channels of the maps that the way up takes back
    int64_t channels = base;
    for (size_t i = 0; i < levels.size(); i++) {
        const auto block = unet + "down_blocks." + std::to_string(i) + ".";
        Level level;
        for (int64_t j = 0; j < levels[i].down_layers(); j++) {
            const int64_t blocks = levels[i].down_attention[static_cast<size_t>(j)];
            level.layers.push_back(declare_layer(store, block, j, channels, levels[i], blocks));
            channels = levels[i].channels;
            skips.push_back(channels);
        }
        if (i + 1 < levels.size()) {
            level.resample = conv(store, block + "downsamplers.0.conv", channels, channels);
            skips.push_back(channels);
        }
        down_.push_back(std::move(level));
    }

    declare_middle(store);
    if (config.is_control) return;

    for (size_t i = levels.size(); i-- > 0;) {
        const auto block = unet + "up_blocks." + std::to_string(levels.size() - 1 - i) + ".";
        Level level;
        for (int64_t j = 0; j < levels[i].up_layers(); j++) {
            if (skips.empty())
                fail("UNKNOWN_ARCHITECTURE", "the UNet's way up has more layers than its way down left maps");
            const int64_t blocks = levels[i].up_attention[static_cast<size_t>(j)];
            level.layers.push_back(declare_layer(store, block, j, channels + skips.back(), levels[i], blocks));
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

void UNet::declare_middle(weights::WeightStore& store) {
    const std::string block = "unet.mid_block.";
    const int64_t channels = config_.levels.back().channels;
    for (int64_t i = 0; i < config_.mid_layers; i++) {
        middle_.push_back(ResnetBlock::declare(store, block + "resnets." + std::to_string(i), channels, channels,
                                               config_.time_width, config_.groups, config_.eps));
    }
    mid_attention_ =
        declare_attention(store, block + "attentions.0", channels, config_.mid_heads, config_.mid_attention);
}

namespace {

// Cosines and sines of `value` at frequencies from 1 down to 1 / 10000, the lowest of them `half - freq_shift` away.
std::vector<float> sinusoidal(double value, int64_t size, bool cosine_first, double freq_shift) {
    const int64_t half = size / 2;
    std::vector<float> embedding(static_cast<size_t>(size), 0.0f);
    for (int64_t i = 0; i < half; i++) {
        const double frequency =
            std::exp(-std::log(10000.0) * static_cast<double>(i) / (static_cast<double>(half) - freq_shift));
        const double angle = value * frequency;
        const int64_t sine = cosine_first ? half + i : i, cosine = cosine_first ? i : half + i;
        embedding[static_cast<size_t>(sine)] = static_cast<float>(std::sin(angle));
        embedding[static_cast<size_t>(cosine)] = static_cast<float>(std::cos(angle));
    }
    return embedding;
}

}  // namespace

std::vector<float> UNet::timestep_embedding(double timestep) const {
    return sinusoidal(timestep, config_.levels.front().channels, config_.flip_sin_to_cos, config_.freq_shift);
}

std::vector<float> UNet::guidance_embedding(double scale) const {
    return sinusoidal(1000 * (scale - 1), config_.guidance_width, false, 1);
}

std::vector<float> UNet::addition_input(std::span<const float> pooled, std::span<const float> size_numbers) const {
    std::vector<float> input(pooled.begin(), pooled.end());
    for (const float number : size_numbers) {
        const auto embedded =
            sinusoidal(number, config_.addition.number_width, config_.flip_sin_to_cos, config_.freq_shift);
        input.insert(input.end(), embedded.begin(), embedded.end());
    }
    return input;
}

ops::Map UNet::addition(ops::Ops& ops, const ops::Map& input) const {
    return ops.linear(ops.activation(ops.linear(input, addition1_), ops::Activation::silu), addition2_);
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

// Every residual block takes silu of it: applied once.
TimeEmbedding UNet::embed_time(ops::Ops& ops, const Conditioning& conditioning) const {
    const ops::Map& timestep = conditioning.timestep;
    const ops::Map embedding =
        conditioning.guidance.tensor ? ops.linear(conditioning.guidance, guidance_, &timestep) : timestep;
    ops::Map time = ops.linear(ops.activation(ops.linear(embedding, time1_), ops::Activation::silu), time2_);
    const bool by_row = conditioning.addition.tensor != nullptr;
    if (by_row) time = ops.add_rows(conditioning.addition, time);
    return {ops.activation(time, ops::Activation::silu), by_row};
}

namespace {

void add_residuals(ops::Ops& ops, std::vector<ops::Map>& maps, const std::vector<ops::Map>& residuals) {
    if (residuals.empty()) return;
    bool fits = residuals.size() == maps.size();
    for (size_t i = 0; fits && i < maps.size(); i++) fits = residuals[i].is_like(maps[i]);
    if (!fits) {
        fail("INVALID_ARGUMENT",
             "residuals: expected those of a ControlNet for this model's family, of the same latents ", "and context");
    }
    for (size_t i = 0; i < maps.size(); i++) maps[i] = ops.add(maps[i], residuals[i]);
}

}  // namespace

std::vector<ops::Map> UNet::maps(ops::Ops& ops, const ops::Map& latents, const ops::Map& hint,
                                 const Conditioning& conditioning, const std::vector<CrossAttentionKeys>& keys) const {
    const CrossAttentionKeys* next_keys = keys.data();
    const ops::Map first = ops.add(ops.conv2d(latents, conv_in_), hint);
    return way_down(ops, first, embed_time(ops, conditioning), next_keys, {});
}

// The maps that the way up takes back, from the finest on, then the middle's.
std::vector<ops::Map> UNet::way_down(ops::Ops& ops, const ops::Map& first, const TimeEmbedding& time,
                                     const CrossAttentionKeys*& next_keys, const Perturbation& perturbed) const {
    const ops::ConvSpec downsampling{.stride = 2, .pad_bottom_right = config_.pad_bottom_right};
    ops::Map x = first;
    std::vector<ops::Map> maps{x};
    for (size_t i = 0; i < down_.size(); i++) {
        const auto& level = down_[i];
        const auto kind = perturbed.at("down." + std::to_string(i));
        for (const auto& layer : level.layers) maps.push_back(x = layer.forward(ops, x, time, next_keys, kind));
        if (level.resample) maps.push_back(x = ops.conv2d(x, *level.resample, downsampling));
    }

    if (!middle_.empty()) x = middle_.front().forward(ops, x, &time);
    x = mid_attention_.forward(ops, x, next_keys, perturbed.at("mid"));
    if (middle_.size() > 1) x = middle_.back().forward(ops, x, &time);
    maps.push_back(x);
    return maps;
}

ops::Map UNet::forward(ops::Ops& ops, const ops::Map& latents, const Conditioning& conditioning,
                       const std::vector<CrossAttentionKeys>& keys, const Perturbation& perturbed,
                       const std::vector<ops::Map>& residuals) const {
    const TimeEmbedding time = embed_time(ops, conditioning);
    const CrossAttentionKeys* next_keys = keys.data();
    auto skips = way_down(ops, ops.conv2d(latents, conv_in_), time, next_keys, perturbed);
    add_residuals(ops, skips, residuals);
    ops::Map x = skips.back();
    skips.pop_back();
    for (size_t i = 0; i < up_.size(); i++) {
        const auto& level = up_[i];
        const auto kind = perturbed.at("up." + std::to_string(i));
        for (const auto& layer : level.layers) {
            x = layer.forward(ops, ops.concat(x, skips.back()), time, next_keys, kind);
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
