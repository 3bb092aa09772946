#include "native/kernels/norm/norm.h"

#include "native/error.h"
#include "native/kernels/norm/variants.h"

namespace nd::kernels {

// A mean and a sum of squared differences from it, for each picture, run and group.
int64_t group_norm_sums_size(int64_t batch, int64_t pixels, int64_t channels, int64_t groups) {
    return batch * norm_runs(pixels, channels).runs * groups * 2;
}

int64_t group_norm_sums_tasks(const GroupNormArgs& args) {
    if (args.groups < 1 || args.channels % args.groups != 0) {
        fail("INVALID_ARGUMENT", "group norm: expected groups that divide ", args.channels, " channels, got ",
             args.groups);
    }
    return args.batch * norm_runs(args.pixels, args.channels).runs;
}

void group_norm_sums_task(const GroupNormArgs& args, int64_t task) {
    ND_DISPATCH(group_norm_sums_task, args, task);
}

int64_t group_norm_apply_tasks(const GroupNormArgs& args) {
    return args.batch * norm_runs(args.pixels, args.channels).runs;
}

void group_norm_apply_task(const GroupNormArgs& args, int64_t task) {
    ND_DISPATCH(group_norm_apply_task, args, task);
}

int64_t layer_norm_tasks(const LayerNormArgs& args) {
    const int64_t rows = layer_norm_rows(args.channels);
    return (args.rows + rows - 1) / rows;
}

void layer_norm_task(const LayerNormArgs& args, int64_t task) {
    ND_DISPATCH(layer_norm_task, args, task);
}

}  // namespace nd::kernels
