#include "native/kernels/attention/attention.h"

#include <algorithm>

#include "native/error.h"
#include "native/kernels/attention/variants.h"

namespace nd::kernels {

// Queries and outputs of a chunk, and keys and values of a block, share L2; the more queries, the fewer copies of the
// keys. In bf16, where products take half the time, copies weigh more.
AttentionPlan attention_plan(const AttentionArgs& args) {
    constexpr int64_t kStep = 32, kWantedTasks = 12;
    const int64_t heads = args.batch * args.heads;
    AttentionPlan plan;
    const bool bf16 = args.format == Format::bf16;
    plan.chunk = bf16 ? 512 : std::clamp<int64_t>(20480 / args.head_dim / kStep * kStep, 256, 512);
    const auto chunks = [&] { return (args.q_tokens + plan.chunk - 1) / plan.chunk; };
    while (plan.chunk > kStep && heads * chunks() < kWantedTasks) plan.chunk = plan.chunk / 2 / kStep * kStep;
    plan.chunks = chunks();
    plan.keys = bf16 || args.head_dim <= 160 ? 192 : 96;
    return plan;
}

AttentionChunk attention_chunk(const AttentionArgs& args, const AttentionPlan& plan, int64_t task) {
    const int64_t head = task / plan.chunks, b = head / args.heads, column = head % args.heads * args.head_dim;
    AttentionChunk chunk;
    chunk.first = task % plan.chunks * plan.chunk;
    chunk.queries = std::min(plan.chunk, args.q_tokens - chunk.first);
    const int64_t row = b * args.q_tokens + chunk.first, key_row = b / args.queries_per_key * args.k_tokens;
    chunk.q = row * args.q_stride + column;
    chunk.out = row * args.out_stride + column;
    chunk.k = key_row * args.k_stride + column;
    chunk.v = key_row * args.v_stride + column;
    return chunk;
}

int64_t attention_tasks(const AttentionArgs& args) {
    if (args.head_dim < 1 || args.k_tokens < 1 || args.queries_per_key < 1) {
        fail("INVALID_ARGUMENT", "attention: expected head_dim, k_tokens and queries_per_key of at least 1, got ",
             args.head_dim, ", ", args.k_tokens, ", ", args.queries_per_key);
    }
    if (args.format != Format::f32 && args.format != Format::bf16) {
        fail("INVALID_ARGUMENT", "attention: expected rows of f32 or bf16, got format ", static_cast<int>(args.format));
    }
    return args.batch * args.heads * attention_plan(args).chunks;
}

void attention_task(const AttentionArgs& args, int64_t task) {
#if ND_X86
    if (args.format == Format::bf16 && has_bf16()) return avx512bf16::attention_task(args, task);
#endif
    ND_DISPATCH(attention_task, args, task);
}

}  // namespace nd::kernels
