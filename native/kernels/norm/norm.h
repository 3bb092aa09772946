// GroupNorm (arXiv 1803.08494) and LayerNorm (arXiv 1607.06450) over channels-last rows.
#pragma once

#include <cstdint>

namespace nd::kernels {

// GroupNorm runs as two passes over memory, with a barrier between: sums of fixed runs of pixels, then the
// normalisation.
struct GroupNormArgs {
    const float* x = nullptr;  // [batch, pixels, channels]
    int64_t batch = 1, pixels = 0, channels = 0;
    int64_t groups = 32;
    float eps = 1e-5f;
    const float* gamma = nullptr;  // [channels]
    const float* beta = nullptr;   // [channels]
    bool silu = false;             // y = silu(norm(x))
    float* sums = nullptr;         // group_norm_sums_size() floats, written by the first pass
    float* y = nullptr;            // may be x
};

int64_t group_norm_sums_size(int64_t batch, int64_t pixels, int64_t channels, int64_t groups);
// Throws INVALID_ARGUMENT where the groups do not divide the channels.
int64_t group_norm_sums_tasks(const GroupNormArgs& args);
void group_norm_sums_task(const GroupNormArgs& args, int64_t task);
int64_t group_norm_apply_tasks(const GroupNormArgs& args);
void group_norm_apply_task(const GroupNormArgs& args, int64_t task);
void group_norm_reference(const GroupNormArgs& args);

struct LayerNormArgs {
    const float* x = nullptr;  // [rows, channels]
    int64_t rows = 0, channels = 0;
    float eps = 1e-5f;
    const float* gamma = nullptr;
    const float* beta = nullptr;
    float* y = nullptr;  // may be x
};

int64_t layer_norm_tasks(const LayerNormArgs& args);
void layer_norm_task(const LayerNormArgs& args, int64_t task);
void layer_norm_reference(const LayerNormArgs& args);

}  // namespace nd::kernels
