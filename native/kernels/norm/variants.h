// The compiled variants of the norm tasks, and how a GroupNorm is cut: by shape alone, never by threads.
#pragma once

#include "native/kernels/cpu.h"
#include "native/kernels/norm/norm.h"
#include "native/kernels/simd/config.h"

namespace nd::kernels {

ND_VARIANTS(void group_norm_sums_task(const GroupNormArgs& args, int64_t task))
ND_VARIANTS(void group_norm_apply_task(const GroupNormArgs& args, int64_t task))
ND_VARIANTS(void layer_norm_task(const LayerNormArgs& args, int64_t task))

// Pixels of a run: 256 KiB of them, more where a picture would have over 128 runs.
struct NormRuns {
    int64_t pixels, runs;  // of a run; in a picture
};

ND_INLINE NormRuns norm_runs(int64_t pixels, int64_t channels) {
    int64_t length = 65536 / (channels > 0 ? channels : 1);
    if (length < (pixels + 127) / 128) length = (pixels + 127) / 128;
    if (length < 1) length = 1;
    return {length, (pixels + length - 1) / length};
}

}  // namespace nd::kernels
