// Weights as the kernels see them: rows of any ggml type, or panels packed for one kind of product.
#pragma once

#include <ggml.h>

#include <cstddef>
#include <cstdint>

namespace nd::kernels {

// How weights lie in memory, which is also how they are multiplied: `rows` in f32, the others in the arithmetic that
// they are named for, `winograd` in bf16 (gemm/winograd.h). gemm/packing.h makes the panels. `blocks` are rows of a
// block-quantised type, which stay so in memory and are widened to a panel of bf16 by each task (gemm/blocks.h).
enum class Packing : uint8_t { rows, bf16, i8, winograd, blocks };

constexpr bool in_panels(Packing packing) {
    return packing != Packing::rows && packing != Packing::blocks;
}
// w[n][tap][c]. Panels of a gated layer have its rows in the order of gemm/gate.h. As `rows` or `blocks`: `n` rows of
// taps * c values of `type`, a row `row_bytes` long; for block-quantised types taps * c is a multiple of the block
// length.
struct WeightView {
    ggml_type type = GGML_TYPE_F32;
    const void* data = nullptr;
    size_t row_bytes = 0;
    int64_t n = 0;
    int64_t taps = 1;
    int64_t c = 0;
    Packing packing = Packing::rows;
    bool gated = false;  // panels of a gated layer
};

}  // namespace nd::kernels
