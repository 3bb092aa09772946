// A text's first step: the rows of its tokens in the embedding table, plus those of their positions.
#pragma once

#include <cstdint>

#include "native/kernels/weight_view.h"

namespace nd::kernels {

// y[row] = tokens[ids[row]] + positions[row % positions.n], rows of `c` values; ids from tokens.n on are rows of
// `extra`.
struct EmbedArgs {
    const int32_t* ids = nullptr;  // each from 0 to tokens.n - 1, or beyond where there are rows for it in `extra`
    WeightView tokens, positions;
    const float* extra = nullptr;
    float* y = nullptr;
    int64_t rows = 0;
};

int64_t embed_tasks(const EmbedArgs& args);
void embed_task(const EmbedArgs& args, int64_t task);

}  // namespace nd::kernels
