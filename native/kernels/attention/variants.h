// The compiled variants of attention_task(), and how attention is cut: by shape and format alone, never by threads.
#pragma once

#include "native/kernels/attention/attention.h"
#include "native/kernels/cpu.h"

namespace nd::kernels {

ND_VARIANTS(void attention_task(const AttentionArgs& args, int64_t task))

// For bf16 where has_bf16().
namespace avx512bf16 {
void attention_task(const AttentionArgs& args, int64_t task);
}

struct AttentionPlan {
    int64_t chunk, chunks;  // queries of a task, tasks of a head; the chunk is a multiple of 32
    int64_t keys;           // that are held in the cache at a time; a multiple of 24
};

AttentionPlan attention_plan(const AttentionArgs& args);

// The part of attention that is one task: some queries of one head.
struct AttentionChunk {
    int64_t first, queries;  // tokens
    int64_t q, k, v, out;    // where their first values lie, in values
};

AttentionChunk attention_chunk(const AttentionArgs& args, const AttentionPlan& plan, int64_t task);

}  // namespace nd::kernels
