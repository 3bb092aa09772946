// Which weights are packed when they are loaded, and for which products.
#pragma once

#include <ggml.h>

#include <cstdint>
#include <optional>
#include <string>

#include "native/kernels/gemm/packing.h"

namespace nd::weights {

// For a matrix or convolution [n][taps][c]: `precision` is what was asked for (nothing: the file's own), `source` the
// file's type, `rows` what it would be stored as in rows. f16 and bf16 files, the precision bf16 and block-quantised
// types compute in bf16, the latter from blocks; q8_0 in int8 where a UNet can bear it; all else, and a CPU without
// such products, in f32 from rows. f32 from rows is also the text encoder's, which costs little and steers everything.
kernels::Packing choose_packing(const std::string& name, std::optional<ggml_type> precision, ggml_type source,
                                ggml_type rows, int64_t n, int64_t taps, int64_t c);

}  // namespace nd::weights
