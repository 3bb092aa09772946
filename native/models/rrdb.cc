#include "native/models/rrdb.h"

#include <string>

#include "native/error.h"
#include "native/models/file_facts.h"

namespace nd::models {

namespace {

constexpr int kDenseBlocks = 3, kConvolutions = 5;
constexpr float kResidualScale = 0.2f;  // "residual scaling" of both papers
constexpr int64_t kMostBlocks = 64, kMostUpsamplings = 4;

const std::string kPrefix = "upscaler.";

std::string block_name(int64_t block, int dense, int conv) {
    return kPrefix + "body." + std::to_string(block) + ".rdb" + std::to_string(dense + 1) + ".conv" +
           std::to_string(conv + 1);
}

// The extent of a convolution's [out, in, 3, 3] along `axis`.
int64_t extent(const weights::ModelFile& file, const std::string& name, size_t axis) {
    return dimension(file, name + ".weight", 4, axis);
}

}  // namespace

RrdbConfig detect_rrdb(const weights::ModelFile& file) {
    RrdbConfig config;
    config.features = extent(file, kPrefix + "conv_first", 0);
    const int64_t in = extent(file, kPrefix + "conv_first", 1);
    config.unshuffle = in == 48 ? 4 : in == 12 ? 2 : 1;
    if (in != 3 * config.unshuffle * config.unshuffle || extent(file, kPrefix + "conv_last", 0) != 3) {
        fail("UNKNOWN_ARCHITECTURE", file.path(), ": expected an upscaler of colours (3, 12 or 48 channels to 3), got ",
             in, " and ", extent(file, kPrefix + "conv_last", 0));
    }
    while (config.blocks <= kMostBlocks && file.has(block_name(config.blocks, 0, 0) + ".weight")) config.blocks++;
    config.upsamplings = 0;
    while (config.upsamplings <= kMostUpsamplings &&
           file.has(kPrefix + "conv_up" + std::to_string(config.upsamplings + 1) + ".weight"))
        config.upsamplings++;
    const bool is_small = config.blocks <= kMostBlocks && config.upsamplings <= kMostUpsamplings;
    if (!is_small || config.enlarges() < config.unshuffle) {
        fail("UNKNOWN_ARCHITECTURE", file.path(), ": expected an upscaler of up to ", kMostBlocks, " blocks and ",
             kMostUpsamplings, " upsamplings that does not shrink, got ", config.blocks, " and ", config.upsamplings);
    }
    config.growth = extent(file, block_name(0, 0, 0), 0);
    return config;
}

Rrdb::Rrdb(const RrdbConfig& config, weights::WeightStore& store) {
    const int64_t features = config.features, in = 3 * config.unshuffle * config.unshuffle;
    conv_first_ = conv(store, kPrefix + "conv_first", in, features);
    for (int64_t i = 0; i < config.blocks; i++) {
        auto& block = blocks_.emplace_back();
        for (int j = 0; j < kDenseBlocks; j++) {
            auto& dense = block.emplace_back();
            for (int k = 0; k < kConvolutions; k++) {
                const int64_t out = k + 1 < kConvolutions ? config.growth : features;
                dense.push_back(conv(store, block_name(i, j, k), features + k * config.growth, out));
            }
        }
    }
    conv_body_ = conv(store, kPrefix + "conv_body", features, features);
    for (int64_t i = 1; i <= config.upsamplings; i++) {
        ups_.push_back(conv(store, kPrefix + "conv_up" + std::to_string(i), features, features));
    }
    conv_hr_ = conv(store, kPrefix + "conv_hr", features, features);
    conv_last_ = conv(store, kPrefix + "conv_last", features, 3);
}

ops::Map Rrdb::forward_dense(ops::Ops& ops, const ops::Map& x, const DenseBlock& block) const {
    ops::Map seen = x;
    for (size_t i = 0; i + 1 < block.size(); i++) {
        seen = ops.concat(seen, ops.activation(ops.conv2d(seen, block[i]), ops::Activation::leaky_relu));
    }
    return ops.add(ops.conv2d(seen, block.back()), x, kResidualScale);
}

ops::Map Rrdb::forward(ops::Ops& ops, const ops::Map& pixels) const {
    const ops::Map first = ops.conv2d(pixels, conv_first_);
    ops::Map x = first;
    for (const auto& block : blocks_) {
        ops::Map y = x;
        for (const auto& dense : block) y = forward_dense(ops, y, dense);
        x = ops.add(y, x, kResidualScale);
    }
    x = ops.conv2d(x, conv_body_, {}, &first);
    for (const auto& up : ups_) {
        x = ops.activation(ops.conv2d(x, up, {.upsample_to = {{2 * x.height, 2 * x.width}}}),
                           ops::Activation::leaky_relu);
    }
    x = ops.activation(ops.conv2d(x, conv_hr_), ops::Activation::leaky_relu);
    return ops.conv2d(x, conv_last_);
}

}  // namespace nd::models
