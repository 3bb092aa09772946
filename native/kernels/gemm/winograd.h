// Winograd's F(2 x 2, 3 x 3) (Lavin and Gray, arXiv 1509.09308): a 3 x 3 convolution with stride 1 and padding 1 in 16
// instead of 36 products for each 2 x 2 pixels of y, in bf16 with f32 sums.
//
// A tile of 4 x 4 input pixels d and the weights g become V = B^T d B and U = G g G^T, sixteen numbers a channel;
// their products, summed over the channels at each of the sixteen positions, become y = A^T M A.
#pragma once

#include <cstdint>

#include "native/kernels/gemm/gemm.h"

namespace nd::kernels {

constexpr int kPositions = 16;

// Channels must come in whole blocks of this many: transforms take the even and the odd ones of a block apart, and
// leave them so.
constexpr int64_t kWinogradBlock = 32;

// Which channel stands at place i of V and U.
constexpr int64_t winograd_channel(int64_t i) {
    const int64_t within = i % kWinogradBlock, half = kWinogradBlock / 2;
    return i - within + (within < half ? 2 * within : 2 * (within - half) + 1);
}

// U of one row of weights: f32 [9][c] -> [16][c], channels in the order of winograd_channel().
void winograd_weights(const float* weights, int64_t c, float* transformed);
// The weights again, to the precision that U was rounded to.
void winograd_weights_back(const float* transformed, int64_t c, float* weights);

// How such a convolution is cut: tiles of 2 x 2 pixels, and panels of output channels, of a task.
struct WinogradPlan {
    int64_t columns, rows;       // of tiles in a picture
    int64_t tiles, tile_chunks;  // tiles of a task; tasks over all pictures' tiles
    int64_t panels, panel_chunks;
};

WinogradPlan winograd_plan(const GemmArgs& args);

}  // namespace nd::kernels
