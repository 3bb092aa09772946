#include "native/models/taesd.h"

#include <cmath>
#include <string>

#include "native/error.h"
#include "native/models/file_facts.h"

namespace nd::models {

namespace {

using weights::ModelFile;

constexpr int64_t kMostLayers = 256;

std::string prefix_of(Taesd::Side side) {
    return side == Taesd::Side::encoder ? "taesd.encoder.layers." : "taesd.decoder.layers.";
}

std::string layer_name(Taesd::Side side, int64_t index) {
    return prefix_of(side) + std::to_string(index);
}

// Layers are numbered with gaps, where an activation or an upsampling without weights stands: the first number behind
// the last layer.
int64_t layers_end(const ModelFile& file, Taesd::Side side) {
    int64_t end = 0;
    for (int64_t i = 0; i < kMostLayers; i++) {
        const auto name = layer_name(side, i);
        if (file.has(name + ".weight") || file.has(name + ".conv.0.weight")) end = i + 1;
    }
    return end;
}

// [out, in] of a convolution.
std::pair<int64_t, int64_t> widths(const ModelFile& file, const std::string& name) {
    return {dimension(file, name + ".weight", 4, 0), dimension(file, name + ".weight", 4, 1)};
}

// How many layers of that side are convolutions of their own; the first and the last do not change the size.
int64_t plain_layers(const ModelFile& file, Taesd::Side side) {
    int64_t count = 0;
    for (int64_t i = 0, end = layers_end(file, side); i < end; i++) {
        count += file.has(layer_name(side, i) + ".weight") ? 1 : 0;
    }
    return count;
}

float setting(const ModelFile& file, const nlohmann::json& config, const char* key, float otherwise) {
    const auto found = config.find(key);
    if (found == config.end() || found->is_null()) return otherwise;
    const float value = found->is_number() ? found->get<float>() : NAN;
    if (!std::isfinite(value)) {
        fail("FILE_INVALID", file.path(), ": the configuration's ", key, " has an unexpected value: ", found->dump());
    }
    return value;
}

}  // namespace

TaesdConfig detect_taesd(const ModelFile& file) {
    const nlohmann::json& config = file.config().at("vae");
    check_settings(file, config, {{"act_fn", "relu"}, {"upsample_fn", "nearest"}, {"upsampling_scaling_factor", 2}});
    TaesdConfig taesd;
    taesd.scaling_factor = setting(file, config, "scaling_factor", 1);
    taesd.shift_factor = setting(file, config, "shift_factor", 0);
    if (taesd.scaling_factor == 0) fail("FILE_INVALID", file.path(), ": the configuration's scaling_factor is 0");
    using Side = Taesd::Side;
    taesd.encodes = file.has_component(prefix_of(Side::encoder));
    taesd.decodes = file.has_component(prefix_of(Side::decoder));
    int64_t levels = 0;
    const auto look = [&](Side side, int64_t& outer, int64_t& inner) {
        const int64_t end = layers_end(file, side);
        outer = widths(file, layer_name(side, 0)).second;
        inner = widths(file, layer_name(side, end - 1)).first;
        const int64_t changes = plain_layers(file, side) - 2;
        if (changes < 0 || changes > 15 || (levels != 0 && levels != changes)) {
            fail("UNKNOWN_ARCHITECTURE", file.path(),
                 ": expected a tiny autoencoder with up to 15 changes of size, as ", "many on both sides, got ",
                 changes);
        }
        levels = changes;
    };
    if (taesd.encodes) look(Side::encoder, taesd.image_channels, taesd.latent_channels);
    const int64_t encoded = taesd.latent_channels;
    if (taesd.decodes) look(Side::decoder, taesd.latent_channels, taesd.image_channels);
    if (taesd.encodes && taesd.decodes && encoded != taesd.latent_channels) {
        fail("UNKNOWN_ARCHITECTURE", file.path(), ": the encoder makes latents of ", encoded, " channels, but the ",
             "decoder takes ", taesd.latent_channels);
    }
    if (taesd.image_channels != 3) {
        fail("UNKNOWN_ARCHITECTURE", file.path(), ": expected pictures of 3 channels, got ", taesd.image_channels);
    }
    taesd.downscale = int64_t{1} << levels;
    return taesd;
}

Taesd::Taesd(Side side, const ModelFile& file, weights::WeightStore& store) : side_(side) {
    bool upsamples = false;
    int64_t channels = 0;
    for (int64_t i = 0, end = layers_end(file, side); i < end; i++) {
        const auto name = layer_name(side, i);
        Layer layer;
        if (file.has(name + ".conv.0.weight")) {
            const int64_t out = widths(file, name + ".conv.0").first;
            for (const char* part : {".conv.0", ".conv.2", ".conv.4"}) {
                layer.convs.push_back(conv(store, name + part, layer.convs.empty() ? channels : out, out));
            }
            if (channels != out) layer.skip = conv(store, name + ".skip", channels, out, 1, false);
            channels = out;
        } else if (file.has(name + ".weight")) {
            const auto [out, in] = widths(file, name);
            layer.convs = {conv(store, name, i == 0 ? in : channels, out, 3, file.has(name + ".bias"))};
            layer.upsamples = upsamples;
            upsamples = false;
            channels = out;
        } else {
            upsamples = i > 1;  // the decoder's layer 1 is an activation
            continue;
        }
        layers_.push_back(std::move(layer));
    }
}

ops::Map Taesd::forward(ops::Ops& ops, const ops::Map& input) const {
    using ops::Activation;
    ops::Map x = input;
    for (size_t i = 0; i < layers_.size(); i++) {
        const Layer& layer = layers_[i];
        if (layer.convs.size() > 1) {
            ops::Map h = ops.activation(ops.conv2d(x, layer.convs[0]), Activation::relu);
            h = ops.activation(ops.conv2d(h, layer.convs[1]), Activation::relu);
            const ops::Map skip = layer.skip.weight ? ops.conv2d(x, layer.skip) : x;
            x = ops.activation(ops.conv2d(h, layer.convs[2], {}, &skip), Activation::relu);
            continue;
        }
        const bool is_edge = i == 0 || i + 1 == layers_.size();
        ops::ConvSpec spec;
        if (layer.upsamples) spec.upsample_to = {{2 * x.height, 2 * x.width}};
        if (side_ == Side::encoder && !is_edge) spec.stride = 2;
        x = ops.conv2d(x, layer.convs[0], spec);
        if (side_ == Side::decoder && i == 0) x = ops.activation(x, Activation::relu);
    }
    return x;
}

float Taesd::bounded(float latent) {
    return 3 * std::tanh(latent / 3);
}

}  // namespace nd::models
