#include "native/kernels/gemm/gemm.h"

#include <algorithm>

#include "native/error.h"
#include "native/kernels/cpu.h"
#include "native/kernels/gemm/plan.h"
#include "native/kernels/gemm/variants.h"

namespace nd::kernels {

namespace {

// Enough pixels to repay packing a panel (which costs about as much as 20 pixels), few enough to give every thread
// tasks.
constexpr int64_t kLargeChunk = 1056, kSmallChunk = 264, kWantedTasks = 12;

int64_t ceil_div(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}

}  // namespace

GemmPlan gemm_plan(const GemmArgs& args) {
    GemmPlan plan;
    const GemmGeometry& g = args.geometry;
    plan.pixels = g.batch * g.out_height * g.out_width;
    plan.panels = ceil_div(args.weights.n, kPanel);
    plan.chunk = kLargeChunk;
    while (plan.chunk > kSmallChunk && plan.panels * ceil_div(plan.pixels, plan.chunk) < kWantedTasks) plan.chunk /= 2;
    plan.chunks = ceil_div(plan.pixels, plan.chunk);
    if (plan.chunks > 0) plan.chunk = ceil_div(ceil_div(plan.pixels, plan.chunks), kTileRows) * kTileRows;
    plan.k = args.weights.taps * args.weights.c;
    const int64_t blocks = std::max<int64_t>(1, ceil_div(plan.k, kBlock));
    plan.block = ceil_div(ceil_div(plan.k, blocks), kBlockStep) * kBlockStep;
    return plan;
}

int64_t gemm_tasks(const GemmArgs& args) {
    const WeightView& w = args.weights;
    if (w.type != GGML_TYPE_F32 && !ggml_get_type_traits(w.type)->to_float) {
        fail("UNSUPPORTED_TYPE", "weights of a linear layer or convolution: expected numbers, got ",
             ggml_type_name(w.type));
    }
    const int64_t kernel = args.geometry.kernel;
    if (kernel < 1 || w.taps != kernel * kernel || w.taps > kMaxTaps) {
        fail("INVALID_ARGUMENT", "convolution: expected a kernel of 1 to 7 and its square of taps, got ", kernel,
             " and ", w.taps);
    }
    const GemmPlan plan = gemm_plan(args);
    return plan.panels * plan.chunks;
}

void gemm_task(const GemmArgs& args, int64_t task) {
    ND_DISPATCH(gemm_task, args, task);
}

}  // namespace nd::kernels
