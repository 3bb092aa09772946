#include "native/engine/tiling.h"

#include <algorithm>
#include <cmath>

#include "native/test/tap.h"

using namespace nd::engine;

namespace {

Planes gradient(int64_t channels, int64_t height, int64_t width) {
    Planes planes{channels, height, width, {}};
    for (int64_t i = 0; i < channels * height * width; i++)
        planes.data.push_back(std::sin(0.37f * static_cast<float>(i)));
    return planes;
}

// Twice as large by repetition: depends on nothing beside the pixel, so that tiles must give what the whole gives.
Planes twice(const Planes& input) {
    Planes output{input.channels, 2 * input.height, 2 * input.width, {}};
    for (int64_t c = 0; c < input.channels; c++) {
        for (int64_t y = 0; y < output.height; y++) {
            for (int64_t x = 0; x < output.width; x++) {
                output.data.push_back(
                    input.data[static_cast<size_t>((c * input.height + y / 2) * input.width + x / 2)]);
            }
        }
    }
    return output;
}

float largest_difference(const Planes& a, const Planes& b) {
    float largest = a.data.size() == b.data.size() ? 0.0f : 1e9f;
    for (size_t i = 0; i < b.data.size() && i < a.data.size(); i++)
        largest = std::max(largest, std::abs(a.data[i] - b.data[i]));
    return largest;
}

}  // namespace

TEST("tiling: tiles cover the whole size, overlap enough and lie on multiples") {
    for (int64_t size = 8; size < 200; size += 4) {
        for (const int64_t tile : {24, 32, 64}) {
            const auto positions = tile_positions(size, tile, 8, 4);
            CHECK(positions.front() == 0);
            CHECK(tile >= size || positions.back() + tile == size, "size ", size, " tile ", tile);
            for (size_t i = 0; i < positions.size(); i++) {
                CHECK(positions[i] % 4 == 0);
                if (i > 0) CHECK(positions[i - 1] + tile - positions[i] >= 8, "size ", size, " tile ", tile);
            }
        }
    }
}

TEST("tiling: a network that looks at single pixels gives the same picture whole and in tiles") {
    const Planes input = gradient(3, 40, 56);
    const Planes whole = twice(input);
    for (const int64_t tile : {24, 32, 40}) {
        int calls = 0;
        const Planes tiled = run_tiled(input, {tile, 32, 8, 2, 1}, [&](const Planes& part) {
            calls++;
            CHECK(part.height == tile && part.width == 32);
            return twice(part);
        });
        CHECK(calls > 1);
        CHECK(tiled.channels == 3 && tiled.height == 80 && tiled.width == 112);
        CHECK(largest_difference(tiled, whole) < 1e-6f, largest_difference(tiled, whole));
    }
}

TEST("tiling: what a cut spoils within a quarter of the overlap is not seen") {
    const Planes input = gradient(1, 40, 56);
    const Planes whole = twice(input);
    constexpr int64_t kSpoilt = 4;
    const auto inside = [](const Planes& planes, int64_t y, int64_t x) {
        return std::min({y, x, planes.height - 1 - y, planes.width - 1 - x}) >= kSpoilt;
    };
    Planes tiled = run_tiled(input, {24, 32, 8, 2, 1}, [&](const Planes& part) {
        Planes result = twice(part);
        for (int64_t i = 0; i < std::ssize(result.data); i++)
            if (!inside(result, i / result.width, i % result.width)) result.data[static_cast<size_t>(i)] += 1000;
        return result;
    });
    for (int64_t i = 0; i < std::ssize(tiled.data); i++)
        if (!inside(tiled, i / tiled.width, i % tiled.width)) tiled.data[static_cast<size_t>(i)] -= 1000;
    CHECK(largest_difference(tiled, whole) < 1e-3f, largest_difference(tiled, whole));
}

TEST("tiling: one tile is the network's own output, to the bit") {
    const Planes input = gradient(2, 16, 24);
    const Planes once = run_tiled(input, {16, 24, 8, 2, 1}, twice);
    CHECK(once.data == twice(input).data);
}
