// Scaled dot-product attention over channels-last tokens, without the whole score matrix (FlashAttention, arXiv
// 2205.14135).
#pragma once

#include <cstdint>

#include "native/kernels/rows/format.h"

namespace nd::kernels {

// Row b, token t, head h of q lies (b * q_tokens + t) * q_stride + h * head_dim values after q; k, v and out likewise.
// Query row b reads key row b / queries_per_key, so that pictures of one prompt share its keys and values.
struct AttentionArgs {
    const void* q = nullptr;
    const void* k = nullptr;
    const void* v = nullptr;
    void* out = nullptr;
    int64_t q_stride = 0, k_stride = 0, v_stride = 0, out_stride = 0;  // values from one token to the next
    int64_t batch = 1, queries_per_key = 1;
    int64_t q_tokens = 0, k_tokens = 0;
    int64_t heads = 1, head_dim = 0;
    float scale = 1.0f;
    bool causal = false;          // token t attends to tokens 0..t (text encoder)
    Format format = Format::f32;  // of q, k, v and out: f32 or bf16
};

// Throws INVALID_ARGUMENT where head_dim, k_tokens or queries_per_key is below 1, and for other formats.
int64_t attention_tasks(const AttentionArgs& args);
void attention_task(const AttentionArgs& args, int64_t task);

// The plain definition, for tests.
void attention_reference(const AttentionArgs& args);

}  // namespace nd::kernels
