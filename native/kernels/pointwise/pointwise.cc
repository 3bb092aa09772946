#include "native/kernels/pointwise/pointwise.h"

#include "native/kernels/pointwise/variants.h"
#include "native/kernels/rows/check.h"
#include "native/kernels/rows/cut.h"

namespace nd::kernels {

int64_t activation_tasks(const ActivationArgs& args) {
    expect_values("activation", "x", args.x_format);
    return tasks_of_rows(args.rows, args.channels);
}

void activation_task(const ActivationArgs& args, int64_t task) {
    ND_DISPATCH(activation_task, args, task);
}

int64_t add_tasks(const AddArgs& args) {
    expect_values("add", "a", args.a_format);
    expect_values("add", "b", args.b_format);
    return tasks_of_rows(args.rows, args.channels);
}

void add_task(const AddArgs& args, int64_t task) {
    ND_DISPATCH(add_task, args, task);
}

int64_t concat_tasks(const ConcatArgs& args) {
    expect_values("concat", "a", args.a_format);
    expect_values("concat", "b", args.b_format);
    expect_values("concat", "y", args.y_format);
    return tasks_of_rows(args.rows, args.a_channels + args.b_channels);
}

void concat_task(const ConcatArgs& args, int64_t task) {
    ND_DISPATCH(concat_task, args, task);
}

int64_t add_rows_tasks(const AddRowsArgs& args) {
    expect_values("add_rows", "x", args.x_format);
    expect_values("add_rows", "y", args.y_format);
    return tasks_of_rows(args.rows, args.channels);
}

void add_rows_task(const AddRowsArgs& args, int64_t task) {
    ND_DISPATCH(add_rows_task, args, task);
}

}  // namespace nd::kernels
