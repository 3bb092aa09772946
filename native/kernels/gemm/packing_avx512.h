// Panels packed with AVX-512, straight from the numbers of a file.
#pragma once

#include <cstdint>

#include "native/kernels/gemm/packing.h"

namespace nd::kernels::avx512 {

// Channels of a row that are taken apart at a time, and the most taps that they may have.
constexpr int64_t kPackedBlock = 16;
constexpr int64_t kMostPackedTaps = 9;

// What pack_file_rows() does, for rows of f32, f16 or bf16, of at most kMostPackedTaps taps. Returns false where a
// value that becomes int8 is not finite: the panel is then incomplete.
bool pack_file_rows(Packing packing, const FileRows& from, int64_t places, int64_t taps, int64_t c, int64_t first,
                    int64_t rows, void* data);

}  // namespace nd::kernels::avx512
