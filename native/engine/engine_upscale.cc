// A loaded upscaler's work: pictures through it, in tiles where the memory budget asks for them.
#include "native/engine/checks.h"
#include "native/engine/engine.h"
#include "native/error.h"

namespace nd::engine {

namespace {

// Where a tile's place beyond the edge is taken from: mirrored, the edge itself not repeated.
int64_t mirrored(int64_t at, int64_t size) {
    if (size == 1) return 0;
    const int64_t period = 2 * (size - 1), folded = at % period;
    return folded < size ? folded : period - folded;
}

// Sides as multiples of `factor`, mirrored beyond the picture, then `factor` x `factor` pixels to the channels of one,
// in the order of torch's pixel_unshuffle. -1..1 becomes 0..1.
Planes unshuffled(const float* pixels, const Shape& shape, int64_t factor) {
    Planes planes{shape.channels * factor * factor,
                  (shape.height + factor - 1) / factor,
                  (shape.width + factor - 1) / factor,
                  {}};
    planes.data.reserve(static_cast<size_t>(planes.channels * planes.height * planes.width));
    for (int64_t c = 0; c < planes.channels; c++) {
        const float* from = pixels + c / (factor * factor) * shape.height * shape.width;
        const int64_t down = c / factor % factor, across = c % factor;
        for (int64_t y = 0; y < planes.height; y++) {
            const float* row = from + mirrored(y * factor + down, shape.height) * shape.width;
            for (int64_t x = 0; x < planes.width; x++)
                planes.data.push_back((row[mirrored(x * factor + across, shape.width)] + 1) / 2);
        }
    }
    return planes;
}

}  // namespace

std::vector<float> Engine::upscale(std::span<const float> pixels, const Shape& shape, const CancelToken& token,
                                   const std::function<void(double)>& on_progress) {
    if (!upscaler_) missing("upscaler");
    const auto& config = *info_.upscaler;
    check_shape("pixels", shape, 3, 1);
    check_size("pixels", pixels.size(), shape.size());
    const int64_t height = shape.height * config.scale(), width = shape.width * config.scale();
    std::vector<float> enlarged(static_cast<size_t>(shape.n * 3 * height * width));
    float* to = enlarged.data();
    for (int64_t i = 0; i < shape.n; i++) {
        const Planes picture = unshuffled(pixels.data() + i * shape.size() / shape.n, shape, config.unshuffle);
        // Its outer quarter, which feels the cut, is left out: far more than a pixel's change is seen to reach.
        constexpr int64_t kOverlap = 32;
        const TileGeometry geometry{0, 0, kOverlap / config.unshuffle, config.enlarges(), 1};
        const PictureNetwork network{Part::upscaler, "upscale",
                                     [&](ops::Ops& ops, const ops::Map& x) { return upscaler_->forward(ops, x); },
                                     upscaler_formats_};
        const Planes result = run_within_budget(picture, geometry, network, token, [&](double share) {
            if (on_progress) on_progress((static_cast<double>(i) + share) / static_cast<double>(shape.n));
        });
        for (int64_t c = 0; c < 3; c++) {
            for (int64_t y = 0; y < height; y++) {
                const float* row = result.data.data() + (c * result.height + y) * result.width;
                for (int64_t x = 0; x < width; x++) *to++ = 2 * row[x] - 1;
            }
        }
    }
    return enlarged;
}

}  // namespace nd::engine
