#include "native/kernels/norm/norm.h"

#include "native/error.h"
#include "native/kernels/norm/variants.h"
#include "native/kernels/rows/check.h"
#include "native/kernels/rows/cut.h"

namespace nd::kernels {

// A mean and a sum of squared differences from it, for each picture, run and group.
int64_t group_norm_sums_size(int64_t batch, int64_t pixels, int64_t channels, int64_t groups) {
    return batch * norm_runs(pixels, channels).runs * groups * 2;
}

int64_t group_norm_sums_tasks(const GroupNormArgs& args) {
    expect_values("group norm", "x", args.x_format);
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
    expect_values("group norm", "x", args.x_format);
    return args.batch * norm_runs(args.pixels, args.channels).runs;
}

void group_norm_apply_task(const GroupNormArgs& args, int64_t task) {
    ND_DISPATCH(group_norm_apply_task, args, task);
}

int64_t layer_norm_tasks(const LayerNormArgs& args) {
    expect_values("layer norm", "x", args.x_format);
    return tasks_of_rows(args.rows, args.channels);
}

void layer_norm_task(const LayerNormArgs& args, int64_t task) {
    ND_DISPATCH(layer_norm_task, args, task);
}

}  // namespace nd::kernels
