// How a map is cut into tasks of whole rows: by its shape alone, never by threads.
#pragma once

#include <cstdint>

#include "native/kernels/simd/config.h"

namespace nd::kernels {

// Values of a task: 128 KiB of floats, well inside L2.
constexpr int64_t kTaskValues = 32768;

static ND_INLINE int64_t rows_of_task(int64_t channels) {
    return channels >= kTaskValues ? 1 : kTaskValues / (channels > 0 ? channels : 1);
}

static ND_INLINE int64_t tasks_of_rows(int64_t rows, int64_t channels) {
    return (rows + rows_of_task(channels) - 1) / rows_of_task(channels);
}

// Calls f(row) for the rows of a task.
template <class F>
ND_INLINE void each_row(int64_t rows, int64_t channels, int64_t task, F f) {
    const int64_t first = task * rows_of_task(channels), left = rows - first;
    const int64_t end = first + (left < rows_of_task(channels) ? left : rows_of_task(channels));
    for (int64_t row = first; row < end; ++row) f(row);
}

}  // namespace nd::kernels
