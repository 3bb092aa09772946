#include "native/engine/tiling.h"

#include <algorithm>

namespace nd::engine {

std::vector<int64_t> tile_positions(int64_t size, int64_t tile, int64_t overlap, int64_t multiple) {
    if (tile >= size) return {0};
    const int64_t stride = std::max(multiple, tile - overlap);
    const int64_t count = (size - tile + stride - 1) / stride + 1;
    std::vector<int64_t> positions;
    for (int64_t i = 0; i < count; i++) positions.push_back((size - tile) * i / (count - 1) / multiple * multiple);
    return positions;
}

namespace {

Planes crop(const Planes& input, int64_t top, int64_t left, int64_t height, int64_t width) {
    Planes tile{input.channels, height, width, {}};
    tile.data.reserve(static_cast<size_t>(input.channels * height * width));
    for (int64_t c = 0; c < input.channels; c++) {
        for (int64_t y = 0; y < height; y++) {
            const float* row = input.data.data() + (c * input.height + top + y) * input.width + left;
            tile.data.insert(tile.data.end(), row, row + width);
        }
    }
    return tile;
}

// How much a tile counts at each place along an axis: nothing where it feels its cut, in the outer quarter of the
// overlap, then a ramp to the inner quarter, but full weight at the picture's own borders.
std::vector<float> ramp(int64_t size, int64_t overlap, bool first, bool last) {
    std::vector<float> weights(static_cast<size_t>(size), 1.0f);
    const int64_t outer = overlap / 4, fading = overlap - 2 * outer;
    for (int64_t i = 0; i < std::min(outer + fading, size); i++) {
        const float weight = static_cast<float>(std::max(i + 1 - outer, int64_t{0})) / (static_cast<float>(fading) + 1);
        auto& begin = weights[static_cast<size_t>(i)];
        auto& end = weights[static_cast<size_t>(size - 1 - i)];
        if (!first) begin = std::min(begin, weight);
        if (!last) end = std::min(end, weight);
    }
    return weights;
}

}  // namespace

Planes run_tiled(const Planes& input, const TileGeometry& geometry,
                 const std::function<Planes(const Planes&)>& network) {
    const auto scale = [&](int64_t n) { return n * geometry.numerator / geometry.denominator; };
    const auto tops = tile_positions(input.height, geometry.tile_height, geometry.overlap, geometry.denominator);
    const auto lefts = tile_positions(input.width, geometry.tile_width, geometry.overlap, geometry.denominator);
    Planes output;
    std::vector<float> weight_sum;
    for (const int64_t top : tops) {
        for (const int64_t left : lefts) {
            const Planes tile = network(crop(input, top, left, geometry.tile_height, geometry.tile_width));
            if (output.data.empty()) {
                output = {tile.channels, scale(input.height), scale(input.width), {}};
                output.data.resize(static_cast<size_t>(output.channels * output.height * output.width));
                weight_sum.resize(static_cast<size_t>(output.height * output.width));
            }
            const auto down = ramp(tile.height, scale(geometry.overlap), top == tops.front(), top == tops.back());
            const auto across = ramp(tile.width, scale(geometry.overlap), left == lefts.front(), left == lefts.back());
            for (int64_t y = 0; y < tile.height; y++) {
                for (int64_t x = 0; x < tile.width; x++) {
                    const int64_t place = (scale(top) + y) * output.width + scale(left) + x;
                    const float weight = down[static_cast<size_t>(y)] * across[static_cast<size_t>(x)];
                    weight_sum[static_cast<size_t>(place)] += weight;
                    for (int64_t c = 0; c < tile.channels; c++) {
                        output.data[static_cast<size_t>(c * output.height * output.width + place)] +=
                            weight * tile.data[static_cast<size_t>((c * tile.height + y) * tile.width + x)];
                    }
                }
            }
        }
    }
    const size_t plane = weight_sum.size();
    for (size_t i = 0; i < output.data.size(); i++) output.data[i] /= weight_sum[i % plane];
    return output;
}

}  // namespace nd::engine
