#include "native/kernels/rows/convert.h"

#include "native/kernels/rows/cut.h"
#include "native/kernels/rows/variants.h"

namespace nd::kernels {

int64_t convert_tasks(const ConvertArgs& args) {
    return tasks_of_rows(args.rows, args.channels);
}

void convert_task(const ConvertArgs& args, int64_t task) {
    ND_DISPATCH(convert_task, args, task);
}

}  // namespace nd::kernels
