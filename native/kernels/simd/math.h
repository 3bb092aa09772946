// Elementary functions on vectors, accurate to about 2e-7, and the activations made of them.
//
// The polynomials are weighted minimax fits (Lawson's iteration in double precision) made for this project.
#pragma once

#include "native/kernels/simd/config.h"

namespace nd::kernels {

// c[0] + c[1] x + c[2] x^2 ..., by Horner's rule.
template <class V, int N>
ND_INLINE V polynomial(V x, const float (&c)[N]) {
    V y = V::set(c[N - 1]);
    ND_UNROLL
    for (int i = N - 2; i >= 0; --i) y = V::fma(y, x, V::set(c[i]));
    return y;
}

// 2^f on [-0.5, 0.5], relative error 2e-9 before rounding.
inline constexpr float kExp2[] = {1.0f,
                                  6.9314720286e-01f,
                                  2.4022647913e-01f,
                                  5.5503324697e-02f,
                                  9.6184373664e-03f,
                                  1.3398874867e-03f,
                                  1.5353360634e-04f};
inline constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it leaves an integer in the low bits

// 2^x for x <= 127; 2^-126 for all that is smaller.
template <class V>
ND_INLINE V exp2(V x) {
    x = V::max(V::set(-126.0f), x);
    const V n = x + V::set(kRound);
    const V f = x - (n - V::set(kRound));
    return V::add_exponent(polynomial(f, kExp2), n);
}

// e^x, limited to [2^-126, 2^127]. ln 2 is subtracted in two parts (Cody and Waite 1980), the first short enough to be
// exact.
template <class V>
ND_INLINE V exp(V x) {
    x = V::max(V::set(-87.33654f), V::min(V::set(88.02969f), x));
    const V n = V::fma(x, V::set(1.44269504f), V::set(kRound));
    const V whole = n - V::set(kRound);
    V r = V::fma(whole, V::set(-0.693359375f), x);
    r = V::fma(whole, V::set(2.12194440e-4f), r);
    return V::add_exponent(polynomial(r * V::set(1.44269504f), kExp2), n);
}

template <class V>
ND_INLINE V sigmoid(V x) {
    return V::set(1.0f) / (V::set(1.0f) + exp(V::zero() - x));
}

// The product's rounding costs relative accuracy, |x| 6e-8, only where SiLU is as small as x e^x.
template <class V>
ND_INLINE V silu(V x) {
    return x / (V::set(1.0f) + exp2(V::min(V::set(126.0f), x * V::set(-1.44269504f))));
}

// log2 of the normal distribution's upper tail, 0.5 erfc(z / sqrt(2)), for z >= 0; the tail's absolute error times (1 +
// z) stays below 2.1e-8. Beyond z = 6, where the tail is under 1e-9, it keeps falling.
inline constexpr float kLogTail[] = {-1.0f,
                                     -1.151106407e+00f,
                                     -4.591956769e-01f,
                                     -5.253926622e-02f,
                                     7.131780708e-03f,
                                     -1.932579522e-04f,
                                     -1.614215639e-04f,
                                     3.389863940e-05f,
                                     -2.357511624e-06f};

// x times the normal distribution function of x: the exact GELU (arXiv 1606.08415).
template <class V>
ND_INLINE V gelu(V x) {
    const V tail = x * exp2(polynomial(V::abs(x), kLogTail));
    return V::where_negative(x, tail, x - tail);
}

// The tanh approximation in the same paper: 0.5 (1 + tanh(u)) = sigmoid(2u).
template <class V>
ND_INLINE V gelu_tanh(V x) {
    const V u = x * V::fma(x * x, V::set(2 * 0.79788456f * 0.044715f), V::set(2 * 0.79788456f));
    return x * sigmoid(u);
}

template <class V>
ND_INLINE V quick_gelu(V x) {
    return x * sigmoid(V::set(1.702f) * x);
}

}  // namespace nd::kernels
