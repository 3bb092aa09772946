// Weights as the kernels see them: rows of any ggml type, one row an output channel.
#pragma once

#include <ggml.h>

#include <cstddef>
#include <cstdint>

namespace nd::kernels {

// w[n][tap][c]: `n` rows of taps * c values, a row `row_bytes` long. For block-quantised types taps * c is a multiple
// of the block length.
struct WeightView {
    ggml_type type = GGML_TYPE_F32;
    const void* data = nullptr;
    size_t row_bytes = 0;
    int64_t n = 0;
    int64_t taps = 1;
    int64_t c = 0;
};

}  // namespace nd::kernels
