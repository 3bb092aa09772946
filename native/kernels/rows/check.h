// What kernels ask of the formats of their maps.
#pragma once

#include "native/error.h"
#include "native/kernels/rows/format.h"

namespace nd::kernels {

// Throws INVALID_ARGUMENT where a kernel that reads or writes values one by one was given i8 rows.
inline void expect_values(const char* kernel, const char* map, Format format) {
    if (format == Format::i8) fail("INVALID_ARGUMENT", kernel, ": expected ", map, " in f32 or bf16, got i8");
}

}  // namespace nd::kernels
