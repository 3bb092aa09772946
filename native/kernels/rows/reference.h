// Rows of any format as double-precision values: what the references of all kernels compute with.
#pragma once

#include <cstdint>
#include <vector>

#include "native/kernels/rows/format.h"

namespace nd::kernels {

// [rows, channels]
std::vector<double> read_rows_reference(const void* x, Format format, int64_t rows, int64_t channels);
void write_rows_reference(const std::vector<double>& values, void* y, Format format, int64_t rows, int64_t channels);

}  // namespace nd::kernels
