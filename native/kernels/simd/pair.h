// Two vectors as one: a pointwise function computed on both at once, so that one's instructions fill the waits between
// the other's. A chain of dependent steps, such as a polynomial, gains most.
#pragma once

#include <cstdint>

#include "native/kernels/simd/config.h"

namespace nd::kernels {

// The part of the contract in f32x4.h that pointwise functions need.
template <class V>
struct Pair {
    static constexpr int width = 2 * V::width;
    V a, b;

    static ND_INLINE Pair zero() { return {V::zero(), V::zero()}; }
    static ND_INLINE Pair set(float x) { return {V::set(x), V::set(x)}; }
    static ND_INLINE Pair load(const float* p) { return {V::load(p), V::load(p + V::width)}; }
    static ND_INLINE Pair load_bf16(const uint16_t* p) { return {V::load_bf16(p), V::load_bf16(p + V::width)}; }
    ND_INLINE void store(float* p) const { a.store(p), b.store(p + V::width); }
    ND_INLINE void store_bf16(uint16_t* p) const { V::store_bf16(p, a, b); }
    ND_INLINE void store_bytes(uint8_t* p) const { a.store_bytes(p), b.store_bytes(p + V::width); }

    friend ND_INLINE Pair operator+(Pair x, Pair y) { return {x.a + y.a, x.b + y.b}; }
    friend ND_INLINE Pair operator-(Pair x, Pair y) { return {x.a - y.a, x.b - y.b}; }
    friend ND_INLINE Pair operator*(Pair x, Pair y) { return {x.a * y.a, x.b * y.b}; }
    friend ND_INLINE Pair operator/(Pair x, Pair y) { return {x.a / y.a, x.b / y.b}; }
    static ND_INLINE Pair fma(Pair x, Pair y, Pair z) { return {V::fma(x.a, y.a, z.a), V::fma(x.b, y.b, z.b)}; }
    static ND_INLINE Pair max(Pair x, Pair y) { return {V::max(x.a, y.a), V::max(x.b, y.b)}; }
    static ND_INLINE Pair min(Pair x, Pair y) { return {V::min(x.a, y.a), V::min(x.b, y.b)}; }
    static ND_INLINE Pair abs(Pair x) { return {V::abs(x.a), V::abs(x.b)}; }
    static ND_INLINE Pair where_negative(Pair x, Pair y, Pair z) {
        return {V::where_negative(x.a, y.a, z.a), V::where_negative(x.b, y.b, z.b)};
    }
    static ND_INLINE Pair add_exponent(Pair x, Pair n) {
        return {V::add_exponent(x.a, n.a), V::add_exponent(x.b, n.b)};
    }
};

}  // namespace nd::kernels
