#include "native/kernels/peak/peak.h"

#include "native/kernels/peak/variants.h"

namespace nd::kernels {

float peak_run(int64_t rounds) {
    return ND_DISPATCH(peak_run, rounds);
}

double peak_flops(int64_t rounds) {
    return ND_DISPATCH(peak_flops, rounds);
}

}  // namespace nd::kernels
