// Linear layers and convolutions as one indirect GEMM over channels-last rows: no im2col, no padded copy.
//
//   y[m][n] = bias[n] + residual[m][n] + sum over taps t, channels c of x[row(m, t)][c] * w[n][t][c]
//
// or, of a gated layer, y[m][i] = v * gelu(g), v being that sum for n = i and g for n = i + half of all n.
//
// row(m, t) is the input pixel under tap t of output pixel m; taps that fall into the padding read zeros.
#pragma once

#include <cstdint>

#include "native/kernels/rows/format.h"
#include "native/kernels/weight_view.h"

namespace nd::kernels {

// A convolution over [batch, height, width, c] with a square kernel. Nearest-neighbour upsampling by `upsample` is
// applied to the input first, without a copy. A linear layer over m rows is {batch 1, height 1, width m, kernel 1}.
struct GemmGeometry {
    int64_t batch = 1;
    int64_t height = 1, width = 1;          // of x as it lies in memory
    int64_t out_height = 1, out_width = 1;  // of y
    int kernel = 1;                         // taps = kernel * kernel
    int stride = 1;
    int pad_top = 0, pad_left = 0;  // bottom and right padding follow from the output size
    int upsample = 1;
    // Size of the upsampled input where its last row or column is cut off (odd skip connections); 0: height * upsample.
    int64_t up_height = 0, up_width = 0;
};

// The format of x is that of the weights' packing (format_of in packing.h): f32 for rows, which then take f32 residuals
// and give f32 as well. Sums are f32, also where the products are not.
struct GemmArgs {
    GemmGeometry geometry;
    WeightView weights;
    const void* x = nullptr;
    int64_t x_stride = 0;            // values from one pixel to the next; bytes where x is i8
    const float* bias = nullptr;     // [n] or null
    const void* residual = nullptr;  // laid out as y, or null; may be y itself where the formats agree
    Format residual_format = Format::f32;
    void* y = nullptr;
    int64_t y_stride = 0;           // values from one pixel to the next
    Format y_format = Format::f32;  // f32 or bf16
    bool gated = false;             // y has n / 2 channels, and there is no residual (gate.h)
};

// gemm_tasks() throws UNSUPPORTED_TYPE for weights that hold no numbers or are packed for another CPU, and
// INVALID_ARGUMENT for a kernel above 7 or one that does not fit the taps, formats that do not fit the weights, and a
// gate that they were not packed for. The work is cut into tasks that may run in any order on any thread; the bytes
// written do not depend on either.
int64_t gemm_tasks(const GemmArgs& args);
void gemm_task(const GemmArgs& args, int64_t task);

// The plain definition, for tests.
void gemm_reference(const GemmArgs& args);

}  // namespace nd::kernels
