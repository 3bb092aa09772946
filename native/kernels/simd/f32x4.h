// Four floats: the portable vector (SSE2, NEON, or plain C++), and the contract of all vector types.
//
// A kernel is written once as a template over the vector type and compiled once for each. All functions carry the
// vector type in their name, so the linker cannot put code for one instruction set in place of another's.
#pragma once

#include <cstdint>
#include <cstring>

#include "native/kernels/simd/config.h"

#if defined(__aarch64__) || defined(_M_ARM64)
#include <arm_neon.h>
#define ND_NEON 1
#elif defined(__x86_64__) || defined(_M_X64)
#include <emmintrin.h>
#define ND_SSE2 1
#endif

namespace nd::kernels {

struct F32x4 {
    static constexpr int width = 4;
#if defined(ND_NEON)
    static constexpr int registers = 32;
    using Lanes = float32x4_t;
#elif defined(ND_SSE2)
    static constexpr int registers = 16;
    using Lanes = __m128;
#else
    static constexpr int registers = 16;
    struct Lanes {
        float x[4];
    };
#endif
    // Whether load_f16 and load_bf16 exist.
    static constexpr bool loads_halves = false;
    Lanes v;

    static ND_INLINE F32x4 zero() {
        return set(0.0f);
    }
    static ND_INLINE F32x4 load(const float* p);
    ND_INLINE void store(float* p) const;
    static ND_INLINE F32x4 set(float x) {
        const float a[4] = {x, x, x, x};
        return load(a);
    }
    // The first n < width values from memory, `fill` in the others.
    static ND_INLINE F32x4 load(const float* p, int64_t n, float fill) {
        float a[4] = {fill, fill, fill, fill};
        for (int64_t i = 0; i < n; ++i) a[i] = p[i];
        return load(a);
    }
    // The first n < width values.
    ND_INLINE void store(float* p, int64_t n) const {
        float a[4];
        store(a);
        for (int64_t i = 0; i < n; ++i) p[i] = a[i];
    }

    friend ND_INLINE F32x4 operator+(F32x4 a, F32x4 b);
    friend ND_INLINE F32x4 operator-(F32x4 a, F32x4 b);
    friend ND_INLINE F32x4 operator*(F32x4 a, F32x4 b);
    friend ND_INLINE F32x4 operator/(F32x4 a, F32x4 b);
    // a * b + c, in one rounding where the hardware can.
    static ND_INLINE F32x4 fma(F32x4 a, F32x4 b, F32x4 c);
    // A NaN in b comes through.
    static ND_INLINE F32x4 max(F32x4 a, F32x4 b);
    static ND_INLINE F32x4 min(F32x4 a, F32x4 b);
    static ND_INLINE F32x4 abs(F32x4 a);
    // x < 0 ? a : b
    static ND_INLINE F32x4 where_negative(F32x4 x, F32x4 a, F32x4 b);
    // a * 2^n, where n = integer + 1.5 * 2^23 (its low bits then hold the integer).
    static ND_INLINE F32x4 add_exponent(F32x4 a, F32x4 n);
    // The sum of the lanes, in a fixed order.
    static ND_INLINE float sum(F32x4 a) {
        float x[4];
        a.store(x);
        return (x[0] + x[2]) + (x[1] + x[3]);
    }
    // Rows become columns.
    static ND_INLINE void transpose(F32x4 (&r)[4]) {
        float a[4][4], b[4][4];
        for (int i = 0; i < 4; ++i) r[i].store(a[i]);
        for (int i = 0; i < 4; ++i) {
            for (int j = 0; j < 4; ++j) b[j][i] = a[i][j];
        }
        for (int i = 0; i < 4; ++i) r[i] = load(b[i]);
    }
};

#if defined(ND_NEON)

ND_INLINE F32x4 F32x4::load(const float* p) {
    return {vld1q_f32(p)};
}
ND_INLINE void F32x4::store(float* p) const {
    vst1q_f32(p, v);
}
ND_INLINE F32x4 operator+(F32x4 a, F32x4 b) {
    return {vaddq_f32(a.v, b.v)};
}
ND_INLINE F32x4 operator-(F32x4 a, F32x4 b) {
    return {vsubq_f32(a.v, b.v)};
}
ND_INLINE F32x4 operator*(F32x4 a, F32x4 b) {
    return {vmulq_f32(a.v, b.v)};
}
ND_INLINE F32x4 operator/(F32x4 a, F32x4 b) {
    return {vdivq_f32(a.v, b.v)};
}
ND_INLINE F32x4 F32x4::fma(F32x4 a, F32x4 b, F32x4 c) {
    return {vfmaq_f32(c.v, a.v, b.v)};
}
ND_INLINE F32x4 F32x4::max(F32x4 a, F32x4 b) {
    return {vmaxq_f32(a.v, b.v)};
}
ND_INLINE F32x4 F32x4::min(F32x4 a, F32x4 b) {
    return {vminq_f32(a.v, b.v)};
}
ND_INLINE F32x4 F32x4::abs(F32x4 a) {
    return {vabsq_f32(a.v)};
}
ND_INLINE F32x4 F32x4::where_negative(F32x4 x, F32x4 a, F32x4 b) {
    return {vbslq_f32(vcltzq_f32(x.v), a.v, b.v)};
}
ND_INLINE F32x4 F32x4::add_exponent(F32x4 a, F32x4 n) {
    const int32x4_t shifted = vshlq_n_s32(vreinterpretq_s32_f32(n.v), 23);
    return {vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(a.v), shifted))};
}

#elif defined(ND_SSE2)

ND_INLINE F32x4 F32x4::load(const float* p) {
    return {_mm_loadu_ps(p)};
}
ND_INLINE void F32x4::store(float* p) const {
    _mm_storeu_ps(p, v);
}
ND_INLINE F32x4 operator+(F32x4 a, F32x4 b) {
    return {_mm_add_ps(a.v, b.v)};
}
ND_INLINE F32x4 operator-(F32x4 a, F32x4 b) {
    return {_mm_sub_ps(a.v, b.v)};
}
ND_INLINE F32x4 operator*(F32x4 a, F32x4 b) {
    return {_mm_mul_ps(a.v, b.v)};
}
ND_INLINE F32x4 operator/(F32x4 a, F32x4 b) {
    return {_mm_div_ps(a.v, b.v)};
}
ND_INLINE F32x4 F32x4::fma(F32x4 a, F32x4 b, F32x4 c) {
    return {_mm_add_ps(_mm_mul_ps(a.v, b.v), c.v)};
}
ND_INLINE F32x4 F32x4::max(F32x4 a, F32x4 b) {
    return {_mm_max_ps(a.v, b.v)};
}
ND_INLINE F32x4 F32x4::min(F32x4 a, F32x4 b) {
    return {_mm_min_ps(a.v, b.v)};
}
ND_INLINE F32x4 F32x4::abs(F32x4 a) {
    return {_mm_andnot_ps(_mm_set1_ps(-0.0f), a.v)};
}
ND_INLINE F32x4 F32x4::where_negative(F32x4 x, F32x4 a, F32x4 b) {
    const __m128 m = _mm_cmplt_ps(x.v, _mm_setzero_ps());
    return {_mm_or_ps(_mm_and_ps(m, a.v), _mm_andnot_ps(m, b.v))};
}
ND_INLINE F32x4 F32x4::add_exponent(F32x4 a, F32x4 n) {
    const __m128i shifted = _mm_slli_epi32(_mm_castps_si128(n.v), 23);
    return {_mm_castsi128_ps(_mm_add_epi32(_mm_castps_si128(a.v), shifted))};
}

#else

namespace f32x4 {
template <class F>
ND_INLINE F32x4 each(F f) {
    return {{{f(0), f(1), f(2), f(3)}}};
}
}  // namespace f32x4

ND_INLINE F32x4 F32x4::load(const float* p) {
    return f32x4::each([&](int i) { return p[i]; });
}
ND_INLINE void F32x4::store(float* p) const {
    std::memcpy(p, v.x, sizeof v.x);
}
ND_INLINE F32x4 operator+(F32x4 a, F32x4 b) {
    return f32x4::each([&](int i) { return a.v.x[i] + b.v.x[i]; });
}
ND_INLINE F32x4 operator-(F32x4 a, F32x4 b) {
    return f32x4::each([&](int i) { return a.v.x[i] - b.v.x[i]; });
}
ND_INLINE F32x4 operator*(F32x4 a, F32x4 b) {
    return f32x4::each([&](int i) { return a.v.x[i] * b.v.x[i]; });
}
ND_INLINE F32x4 operator/(F32x4 a, F32x4 b) {
    return f32x4::each([&](int i) { return a.v.x[i] / b.v.x[i]; });
}
ND_INLINE F32x4 F32x4::fma(F32x4 a, F32x4 b, F32x4 c) {
    return a * b + c;
}
ND_INLINE F32x4 F32x4::max(F32x4 a, F32x4 b) {
    return f32x4::each([&](int i) { return a.v.x[i] > b.v.x[i] ? a.v.x[i] : b.v.x[i]; });
}
ND_INLINE F32x4 F32x4::min(F32x4 a, F32x4 b) {
    return f32x4::each([&](int i) { return a.v.x[i] < b.v.x[i] ? a.v.x[i] : b.v.x[i]; });
}
ND_INLINE F32x4 F32x4::abs(F32x4 a) {
    return f32x4::each([&](int i) { return a.v.x[i] < 0 ? -a.v.x[i] : a.v.x[i]; });
}
ND_INLINE F32x4 F32x4::where_negative(F32x4 x, F32x4 a, F32x4 b) {
    return f32x4::each([&](int i) { return x.v.x[i] < 0 ? a.v.x[i] : b.v.x[i]; });
}
ND_INLINE F32x4 F32x4::add_exponent(F32x4 a, F32x4 n) {
    return f32x4::each([&](int i) {
        uint32_t bits, shift;
        std::memcpy(&bits, &a.v.x[i], 4);
        std::memcpy(&shift, &n.v.x[i], 4);
        bits += shift << 23;
        float out;
        std::memcpy(&out, &bits, 4);
        return out;
    });
}

#endif

}  // namespace nd::kernels
