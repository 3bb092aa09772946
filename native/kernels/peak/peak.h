// The machine's own limit, to measure kernels against: products on registers and nothing else.
#pragma once

#include <cstdint>

#include "native/kernels/weight_view.h"

namespace nd::kernels {

// Runs `rounds` rounds of independent multiply-adds as the products of such weights are made (f32 for rows) with the
// instruction set in use; returns a value that depends on all. 0 where this CPU has no such products.
float peak_run(int64_t rounds, Packing packing = Packing::rows);

// Operations in that many rounds, two a multiply-add.
double peak_ops(int64_t rounds, Packing packing = Packing::rows);

}  // namespace nd::kernels
