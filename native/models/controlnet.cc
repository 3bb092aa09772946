#include "native/models/controlnet.h"

#include <string>

#include "native/error.h"
#include "native/models/file_facts.h"

namespace nd::models {

namespace {

const std::string kHint = "unet.controlnet_cond_embedding.", kDown = "unet.controlnet_down_blocks.",
                  kMiddle = "unet.controlnet_mid_block";

}  // namespace

ControlNetConfig detect_control_net(const weights::ModelFile& file, const UNetConfig& unet) {
    const nlohmann::json& config = file.config().at("unet");
    const auto pooled = config.find("global_pool_conditions");
    if (pooled != config.end() && *pooled == true) {
        fail("UNKNOWN_ARCHITECTURE", file.path(), ": a ControlNet with global_pool_conditions, which is not supported");
    }
    ControlNetConfig control;
    const auto order = config.find("controlnet_conditioning_channel_order");
    control.hint_is_bgr = order != config.end() && *order == "bgr";
    control.hint_channels = {dimension(file, kHint + "conv_in.weight", 4, 0)};
    constexpr size_t kMostLevels = 8;
    for (int64_t i = 1; control.hint_channels.size() <= kMostLevels; i += 2) {
        const auto name = kHint + "blocks." + std::to_string(i) + ".weight";
        if (!file.has(name)) break;
        control.hint_channels.push_back(dimension(file, name, 4, 0));
    }
    control.map_channels = {unet.levels.front().channels};
    for (size_t i = 0; i < unet.levels.size(); i++) {
        const auto& level = unet.levels[i];
        const auto maps = static_cast<size_t>(level.down_layers()) + (i + 1 < unet.levels.size() ? 1 : 0);
        control.map_channels.insert(control.map_channels.end(), maps, level.channels);
    }
    control.map_channels.push_back(unet.levels.back().channels);
    return control;
}

ControlNet::ControlNet(const ControlNetConfig& config, const UNetConfig& unet, weights::WeightStore& store) {
    const auto& channels = config.hint_channels;
    hint_.push_back(conv(store, kHint + "conv_in", 3, channels.front()));
    for (size_t i = 0; i + 1 < channels.size(); i++) {
        const auto block = kHint + "blocks.";
        hint_.push_back(conv(store, block + std::to_string(2 * i), channels[i], channels[i]));
        hint_.push_back(conv(store, block + std::to_string(2 * i + 1), channels[i], channels[i + 1]));
    }
    hint_.push_back(conv(store, kHint + "conv_out", channels.back(), unet.levels.front().channels));
    for (size_t i = 0; i < config.map_channels.size(); i++) {
        const auto name = i + 1 < config.map_channels.size() ? kDown + std::to_string(i) : kMiddle;
        outputs_.push_back(conv(store, name, config.map_channels[i], config.map_channels[i], 1));
    }
}

ops::Map ControlNet::embed_hint(ops::Ops& ops, const ops::Map& pixels) const {
    ops::Map x = pixels;
    for (size_t i = 0; i < hint_.size(); i++) {
        const bool halves = i > 0 && i % 2 == 0 && i + 1 < hint_.size();
        x = ops.conv2d(x, hint_[i], {.stride = halves ? 2 : 1});
        if (i + 1 < hint_.size()) x = ops.activation(x, ops::Activation::silu);
    }
    return x;
}

std::vector<ops::Map> ControlNet::residuals(ops::Ops& ops, const std::vector<ops::Map>& maps) const {
    std::vector<ops::Map> results;
    for (size_t i = 0; i < maps.size(); i++) results.push_back(ops.conv2d(maps[i], outputs_.at(i)));
    return results;
}

}  // namespace nd::models
