// GroupNorm (arXiv 1803.08494) and LayerNorm (arXiv 1607.06450) over channels-last rows, read as f32 or bf16 and
// written in any format.
#pragma once

#include <cstdint>

#include "native/kernels/rows/format.h"

namespace nd::kernels {

// GroupNorm runs as two passes over memory, with a barrier between: sums of fixed runs of pixels, then the
// normalisation.
struct GroupNormArgs {
    const void* x = nullptr;  // [batch, pixels, channels]
    int64_t batch = 1, pixels = 0, channels = 0;
    int64_t groups = 32;
    float eps = 1e-5f;
    const float* gamma = nullptr;                           // [channels]
    const float* beta = nullptr;                            // [channels]
    bool silu = false;                                      // y = silu(norm(x))
    float* sums = nullptr;                                  // group_norm_sums_size() floats, written by the first pass
    void* y = nullptr;                                      // may be x where their formats are one
    Format x_format = Format::f32, y_format = Format::f32;  // x: f32 or bf16
};

int64_t group_norm_sums_size(int64_t batch, int64_t pixels, int64_t channels, int64_t groups);
// The functions that count tasks throw INVALID_ARGUMENT where the groups do not divide the channels, or x is i8.
int64_t group_norm_sums_tasks(const GroupNormArgs& args);
void group_norm_sums_task(const GroupNormArgs& args, int64_t task);
int64_t group_norm_apply_tasks(const GroupNormArgs& args);
void group_norm_apply_task(const GroupNormArgs& args, int64_t task);
void group_norm_reference(const GroupNormArgs& args);

struct LayerNormArgs {
    const void* x = nullptr;  // [rows, channels]
    int64_t rows = 0, channels = 0;
    float eps = 1e-5f;
    const float* gamma = nullptr;
    const float* beta = nullptr;
    void* y = nullptr;                                      // may be x where their formats are one
    Format x_format = Format::f32, y_format = Format::f32;  // x: f32 or bf16
};

int64_t layer_norm_tasks(const LayerNormArgs& args);
void layer_norm_task(const LayerNormArgs& args, int64_t task);
void layer_norm_reference(const LayerNormArgs& args);

}  // namespace nd::kernels
