// Rows from one format into another.
#pragma once

#include <cstdint>

#include "native/kernels/rows/format.h"

namespace nd::kernels {

// Any format into any. Into bf16 values are rounded to nearest, ties to even. A row with an infinity or a NaN becomes
// an i8 row whose scale is not finite.
struct ConvertArgs {
    const void* x = nullptr;  // [rows, channels]
    void* y = nullptr;        // may be x where their formats are one
    int64_t rows = 0, channels = 0;
    Format x_format = Format::f32, y_format = Format::f32;
};

int64_t convert_tasks(const ConvertArgs& args);
void convert_task(const ConvertArgs& args, int64_t task);
void convert_reference(const ConvertArgs& args);

}  // namespace nd::kernels
