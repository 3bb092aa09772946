// Memory that a kernel needs while it runs a task: one growing buffer per thread and purpose, kept between tasks.
#pragma once

#include <cstddef>
#include <cstdint>

namespace nd::kernels {

enum class Scratch { panel, rows, keys, values, queries, scores, outputs, sums, i8_row, count };

// At least `floats` floats, aligned to 64 bytes, contents unspecified; valid until this thread asks for more of the
// same purpose. Throws OUT_OF_MEMORY.
float* scratch(Scratch purpose, size_t floats);

// A row of zeros, aligned to 64 bytes: what taps in the padding read.
constexpr int64_t kZeros = 4096;
const float* zeros();

}  // namespace nd::kernels
