// How a GEMM is cut: blocks of k, panels of output channels, chunks of pixels. Depends on the shape alone, never on
// threads.
#pragma once

#include <cstdint>

#include "native/kernels/gemm/gemm.h"
#include "native/kernels/simd/config.h"

namespace nd::kernels {

// Output channels of a task: their weights become a panel of kBlock x 64 floats, half of a 1 MiB L2 cache.
constexpr int64_t kPanel = 64;
constexpr int64_t kBlock = 2048;
// Groups of a packed panel's block: 512 KiB as well.
constexpr int64_t kPackedBlock = 2048;
// Block-quantised rows can be read from any multiple of 256 on.
constexpr int64_t kBlockStep = 256;
// Taps of the largest kernel, 7 x 7.
constexpr int kMaxTaps = 49;
// Pixels of a register tile.
constexpr int kTileRows = 6;

ND_INLINE int64_t ceil_div(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}

struct GemmPlan {
    int64_t pixels;  // rows of y
    int64_t panels;  // of kPanel channels
    int64_t chunk;   // pixels of a task
    int64_t chunks;
    int64_t k;      // taps * c
    int64_t block;  // values of k that are summed before y is touched
};

// Size of the picture that the taps see: x after upsampling.
ND_INLINE int64_t seen_height(const GemmGeometry& g) {
    return g.up_height ? g.up_height : g.height * g.upsample;
}
ND_INLINE int64_t seen_width(const GemmGeometry& g) {
    return g.up_width ? g.up_width : g.width * g.upsample;
}

GemmPlan gemm_plan(const GemmArgs& args);

// The same for packed weights: k and block are counted in groups.
GemmPlan packed_gemm_plan(const GemmArgs& args);

}  // namespace nd::kernels
