#include "native/kernels/gemm/gemm.h"

#include <algorithm>

#include "native/error.h"
#include "native/kernels/cpu.h"
#include "native/kernels/gemm/gate.h"
#include "native/kernels/gemm/packing.h"
#include "native/kernels/gemm/plan.h"
#include "native/kernels/gemm/variants.h"
#include "native/kernels/gemm/winograd.h"
#include "native/kernels/scratch.h"

namespace nd::kernels {

namespace {

// Enough pixels to repay making a panel of rows or blocks (which costs about as much as 20 pixels), few enough to give
// every thread tasks.
constexpr int64_t kLargeChunk = 1056, kSmallChunk = 264, kWantedTasks = 12;
// Packed panels cost nothing, so a chunk only has to keep its pixels in L2.
constexpr int64_t kPackedChunk = 264, kSmallestPackedChunk = 48;

GemmPlan cut_pixels(const GemmArgs& args, int64_t chunk, int64_t smallest) {
    GemmPlan plan;
    const GemmGeometry& g = args.geometry;
    plan.pixels = g.batch * g.out_height * g.out_width;
    plan.panels = ceil_div(places_of(args.weights.n, args.gated), kPanel);
    plan.chunk = chunk;
    while (plan.chunk > smallest && plan.panels * ceil_div(plan.pixels, plan.chunk) < kWantedTasks) plan.chunk /= 2;
    plan.chunks = ceil_div(plan.pixels, plan.chunk);
    if (plan.chunks > 0) plan.chunk = ceil_div(ceil_div(plan.pixels, plan.chunks), kTileRows) * kTileRows;
    return plan;
}

}  // namespace

GemmPlan gemm_plan(const GemmArgs& args) {
    GemmPlan plan = cut_pixels(args, kLargeChunk, kSmallChunk);
    plan.k = args.weights.taps * args.weights.c;
    const int64_t blocks = std::max<int64_t>(1, ceil_div(plan.k, kBlock));
    plan.block = ceil_div(ceil_div(plan.k, blocks), kBlockStep) * kBlockStep;
    return plan;
}

GemmPlan packed_gemm_plan(const GemmArgs& args) {
    const WeightView& w = args.weights;
    const bool widened = w.packing == Packing::blocks;
    GemmPlan plan =
        widened ? cut_pixels(args, kLargeChunk, kSmallChunk) : cut_pixels(args, kPackedChunk, kSmallestPackedChunk);
    plan.k = w.taps * PackedLayout(w).groups;
    const int64_t blocks = std::max<int64_t>(1, ceil_div(plan.k, kPackedBlock));
    plan.block = ceil_div(plan.k, blocks);
    if (widened) plan.block = std::min(plan.k, ceil_div(plan.block, kBlockStep / 2) * (kBlockStep / 2));
    return plan;
}

int64_t gemm_tasks(const GemmArgs& args) {
    const WeightView& w = args.weights;
    const bool rows = w.packing == Packing::rows;
    if (!in_panels(w.packing) && w.type != GGML_TYPE_F32 && !ggml_get_type_traits(w.type)->to_float) {
        fail("UNSUPPORTED_TYPE", "weights of a linear layer or convolution: expected numbers, got ",
             ggml_type_name(w.type));
    }
    if (!can_multiply(w.packing)) {
        fail("UNSUPPORTED_TYPE",
             "weights of a linear layer or convolution are packed for products that this CPU lacks");
    }
    const bool formats_fit = rows ? args.y_format == Format::f32 && args.residual_format == Format::f32
                                  : args.y_format != Format::i8 && args.residual_format != Format::i8;
    if (!formats_fit) fail("INVALID_ARGUMENT", "linear layer or convolution: y or the residual has no fitting format");
    if (args.gated && (w.n % 2 != 0 || args.residual || w.packing == Packing::winograd)) {
        fail("INVALID_ARGUMENT", "gated linear layer: expected as many gates as values and no residual, got ", w.n,
             " outputs", args.residual ? " and a residual" : "");
    }
    if (in_panels(w.packing) && w.gated != args.gated)
        fail("INVALID_ARGUMENT", "linear layer: its weights were ", w.gated ? "" : "not ", "packed for a gate");
    const int64_t kernel = args.geometry.kernel;
    if (kernel < 1 || w.taps != kernel * kernel || w.taps > kMaxTaps) {
        fail("INVALID_ARGUMENT", "convolution: expected a kernel of 1 to 7 and its square of taps, got ", kernel,
             " and ", w.taps);
    }
    if (kernel > 1 && w.c > kZeros) {
        fail("INVALID_ARGUMENT", "convolution: expected at most ", kZeros, " input channels, got ", w.c);
    }
    if (w.packing == Packing::winograd) {
        const GemmGeometry& g = args.geometry;
        const bool same = g.stride == 1 && g.pad_top == 1 && g.pad_left == 1 && g.out_height == seen_height(g) &&
                          g.out_width == seen_width(g);
        if (w.taps != 9 || !same) {
            fail("INVALID_ARGUMENT", "Winograd's convolution: expected a 3 x 3 kernel, stride 1 and padding 1");
        }
        const WinogradPlan plan = winograd_plan(args);
        return plan.tile_chunks * plan.panel_chunks;
    }
    const GemmPlan plan = rows ? gemm_plan(args) : packed_gemm_plan(args);
    return plan.panels * plan.chunks;
}

void gemm_task(const GemmArgs& args, int64_t task) {
#if ND_X86
    if (args.weights.packing == Packing::bf16 || args.weights.packing == Packing::blocks)
        return avx512bf16::gemm_task(args, task);
    if (args.weights.packing == Packing::winograd) return avx512bf16::winograd_task(args, task);
    if (args.weights.packing == Packing::i8)
        return isa() == Isa::avx2 ? avx2int8::gemm_task(args, task) : avx512vnni::gemm_task(args, task);
#endif
    ND_DISPATCH(gemm_task, args, task);
}

}  // namespace nd::kernels
