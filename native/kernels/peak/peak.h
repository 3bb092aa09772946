// The machine's own limit, to measure kernels against: products on registers and nothing else.
#pragma once

#include <cstdint>
#include <functional>

#include "native/kernels/weight_view.h"

namespace nd::kernels {

// Runs `rounds` rounds of independent multiply-adds as the products of such weights are made (f32 for rows) with the
// instruction set in use; returns a value that depends on all. 0 where this CPU has no such products.
float peak_run(int64_t rounds, Packing packing = Packing::rows);

// Operations in that many rounds, two a multiply-add.
double peak_ops(int64_t rounds, Packing packing = Packing::rows);

// Calls a job on some threads at once and returns when all of them are out of it.
using OnThreads = std::function<void(const std::function<void()>&)>;

// Operations a second of `threads` threads together, each at peak_run(): the best of the runs of some
// milliseconds that fit into `seconds`, three at least. 0 where this CPU has no such products, or where `cancelled`
// became true.
double peak_rate(Packing packing, int threads, double seconds, const OnThreads& on_threads,
                 const std::function<bool()>& cancelled = {});

}  // namespace nd::kernels
