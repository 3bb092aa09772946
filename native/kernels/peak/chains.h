// Chains of multiply-adds over any vector type.
#pragma once

#include <cstdint>

#include "native/kernels/peak/variants.h"
#include "native/kernels/simd/config.h"

namespace nd::kernels {

template <class V>
ND_NOINLINE float fma_chains(int64_t rounds, float factor, float term) {
    const V a = V::set(factor), b = V::set(term);
    V sum[kChains];
    ND_UNROLL
    for (int i = 0; i < kChains; ++i) sum[i] = V::set(float(i));
    for (int64_t round = 0; round < rounds; ++round) {
        ND_UNROLL
        for (int i = 0; i < kChains; ++i) sum[i] = V::fma(sum[i], a, b);
    }
    V total = sum[0];
    ND_UNROLL
    for (int i = 1; i < kChains; ++i) total = total + sum[i];
    return V::sum(total);
}

}  // namespace nd::kernels
