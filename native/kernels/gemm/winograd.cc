#include "native/kernels/gemm/winograd.h"

#include <algorithm>

#include "native/kernels/gemm/plan.h"

namespace nd::kernels {

namespace {

// G g for three numbers.
void spread(const float (&g)[3], float (&u)[4]) {
    u[0] = g[0];
    u[1] = 0.5f * (g[0] + g[1] + g[2]);
    u[2] = 0.5f * (g[0] - g[1] + g[2]);
    u[3] = g[2];
}

void gather(const float (&u)[4], float (&g)[3]) {
    g[0] = u[0];
    g[1] = u[1] - u[2];
    g[2] = u[3];
}

}  // namespace

void winograd_weights(const float* weights, int64_t c, float* transformed) {
    for (int64_t i = 0; i < c; ++i) {
        const int64_t channel = winograd_channel(i);
        float half[4][3];
        for (int column = 0; column < 3; ++column) {
            float g[3], u[4];
            for (int row = 0; row < 3; ++row) g[row] = weights[(row * 3 + column) * c + channel];
            spread(g, u);
            for (int row = 0; row < 4; ++row) half[row][column] = u[row];
        }
        for (int row = 0; row < 4; ++row) {
            float u[4];
            spread(half[row], u);
            for (int column = 0; column < 4; ++column) transformed[(row * 4 + column) * c + i] = u[column];
        }
    }
}

void winograd_weights_back(const float* transformed, int64_t c, float* weights) {
    for (int64_t i = 0; i < c; ++i) {
        float half[4][3];
        for (int row = 0; row < 4; ++row) {
            float u[4];
            for (int column = 0; column < 4; ++column) u[column] = transformed[(row * 4 + column) * c + i];
            gather(u, half[row]);
        }
        for (int column = 0; column < 3; ++column) {
            const float u[4] = {half[0][column], half[1][column], half[2][column], half[3][column]};
            float g[3];
            gather(u, g);
            for (int row = 0; row < 3; ++row) weights[(row * 3 + column) * c + winograd_channel(i)] = g[row];
        }
    }
}

// V of a task's tiles should stay in L2; the more tiles, the fewer times are the weights read.
WinogradPlan winograd_plan(const GemmArgs& args) {
    constexpr int64_t kMostTiles = 48, kFewestTiles = 24, kWantedBytes = 512 << 10, kWantedTasks = 12;
    const GemmGeometry& g = args.geometry;
    WinogradPlan plan;
    plan.rows = ceil_div(g.out_height, 2), plan.columns = ceil_div(g.out_width, 2);
    const int64_t all = g.batch * plan.rows * plan.columns;
    const int64_t fitting = kWantedBytes / (kPositions * args.weights.c * 2) / kTileRows * kTileRows;
    plan.tiles = std::clamp(fitting, kFewestTiles, kMostTiles);
    while (plan.tiles > kTileRows && ceil_div(all, plan.tiles) < kWantedTasks / 2) plan.tiles -= kTileRows;
    plan.tile_chunks = ceil_div(all, plan.tiles);
    plan.panels = ceil_div(args.weights.n, kPanel);
    plan.panel_chunks =
        std::clamp<int64_t>(ceil_div(kWantedTasks, std::max<int64_t>(1, plan.tile_chunks)), 1, plan.panels);
    return plan;
}

}  // namespace nd::kernels
