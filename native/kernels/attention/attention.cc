#include "native/kernels/attention/attention.h"

#include <algorithm>

#include "native/error.h"
#include "native/kernels/attention/variants.h"

namespace nd::kernels {

// Queries and outputs of a chunk, and keys and values of a block, share L2; the more queries, the fewer copies of the
// keys.
AttentionPlan attention_plan(const AttentionArgs& args) {
    constexpr int64_t kStep = 32, kWantedTasks = 12;
    const int64_t heads = args.batch * args.heads;
    AttentionPlan plan;
    plan.chunk = std::clamp<int64_t>(20480 / args.head_dim / kStep * kStep, 256, 512);
    const auto chunks = [&] { return (args.q_tokens + plan.chunk - 1) / plan.chunk; };
    while (plan.chunk > kStep && heads * chunks() < kWantedTasks) plan.chunk = plan.chunk / 2 / kStep * kStep;
    plan.chunks = chunks();
    plan.keys = args.head_dim <= 160 ? 192 : 96;
    return plan;
}

int64_t attention_tasks(const AttentionArgs& args) {
    if (args.head_dim < 1 || args.k_tokens < 1 || args.queries_per_key < 1) {
        fail("INVALID_ARGUMENT", "attention: expected head_dim, k_tokens and queries_per_key of at least 1, got ",
             args.head_dim, ", ", args.k_tokens, ", ", args.queries_per_key);
    }
    return args.batch * args.heads * attention_plan(args).chunks;
}

void attention_task(const AttentionArgs& args, int64_t task) {
    ND_DISPATCH(attention_task, args, task);
}

}  // namespace nd::kernels
