// Cuts a picture into overlapping tiles of one size and blends the results, for pictures whose maps do not fit in
// memory.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace nd::engine {

struct Planes {
    int64_t channels = 0, height = 0, width = 0;
    std::vector<float> data;  // [channels, height, width]
};

// Applies `network`, which turns [channels, tile_height, tile_width] into planes `numerator / denominator` times as
// large, to overlapping tiles of `input`, and blends them linearly over the middle half of the overlap (at least
// `overlap` pixels of the input). Tile positions lie on multiples of `denominator`.
struct TileGeometry {
    int64_t tile_height, tile_width, overlap;
    int64_t numerator = 1, denominator = 1;
};
Planes run_tiled(const Planes& input, const TileGeometry& geometry,
                 const std::function<Planes(const Planes&)>& network);

// Where tiles of `tile` begin so that they cover `size`, each overlapping the next by at least `overlap`.
std::vector<int64_t> tile_positions(int64_t size, int64_t tile, int64_t overlap, int64_t multiple);

}  // namespace nd::engine
