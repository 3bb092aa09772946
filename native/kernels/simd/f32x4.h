// Four floats: the portable vector (SSE2, NEON, or plain C++), and the contract of all vector types.
//
// A kernel is written once as a template over the vector type and compiled once for each. All functions carry the
// vector type in their name, so the linker cannot put code for one instruction set in place of another's.
#pragma once

#include <cstdint>
#include <cstring>

#include "native/kernels/simd/bf16.h"
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
    // Whether load_f16 exists, and load_bf16 costs no more than a load of floats.
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

    // bf16 values (simd/bf16.h), whole or the first n < width of them.
    static ND_INLINE F32x4 load_bf16(const uint16_t* p);
    static ND_INLINE F32x4 load_bf16(const uint16_t* p, int64_t n, float fill) {
        float a[4] = {fill, fill, fill, fill};
        for (int64_t i = 0; i < n; ++i) a[i] = from_bf16(p[i]);
        return load(a);
    }
    ND_INLINE void store_bf16(uint16_t* p) const;
    ND_INLINE void store_bf16(uint16_t* p, int64_t n) const {
        uint16_t a[4];
        store_bf16(a);
        for (int64_t i = 0; i < n; ++i) p[i] = a[i];
    }
    // a, then b.
    static ND_INLINE void store_bf16(uint16_t* p, F32x4 a, F32x4 b) {
        a.store_bf16(p);
        b.store_bf16(p + 4);
    }
    // The lowest byte of each lane's bits.
    ND_INLINE void store_bytes(uint8_t* p) const;
    ND_INLINE void store_bytes(uint8_t* p, int64_t n) const {
        uint8_t a[4];
        store_bytes(a);
        for (int64_t i = 0; i < n; ++i) p[i] = a[i];
    }

    friend F32x4 operator+(F32x4 a, F32x4 b);
    friend F32x4 operator-(F32x4 a, F32x4 b);
    friend F32x4 operator*(F32x4 a, F32x4 b);
    friend F32x4 operator/(F32x4 a, F32x4 b);
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
    // max(a, |b|) for a that has no sign; a NaN in either comes through.
    static ND_INLINE F32x4 max_magnitude(F32x4 a, F32x4 b);
    // The largest lane of values without sign; a NaN comes through.
    static ND_INLINE float largest(F32x4 a) {
        float x[4];
        a.store(x);
        // Without signs, floats are in the order of their bits, and NaNs above all.
        uint32_t bits[4], most = 0;
        std::memcpy(bits, x, sizeof bits);
        for (uint32_t b : bits) most = b > most ? b : most;
        std::memcpy(x, &most, sizeof most);
        return x[0];
    }
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
ND_INLINE F32x4 F32x4::max_magnitude(F32x4 a, F32x4 b) {
    return {vmaxq_f32(a.v, vabsq_f32(b.v))};
}
ND_INLINE F32x4 F32x4::load_bf16(const uint16_t* p) {
    return {vreinterpretq_f32_u32(vshlq_n_u32(vmovl_u16(vld1_u16(p)), 16))};
}
ND_INLINE void F32x4::store_bf16(uint16_t* p) const {
    const uint32x4_t bits = vreinterpretq_u32_f32(v);
    const uint32x4_t odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
    const uint32x4_t rounded = vaddq_u32(bits, vaddq_u32(odd, vdupq_n_u32(0x7fff)));
    const uint32x4_t quiet = vorrq_u32(bits, vdupq_n_u32(0x400000));
    vst1_u16(p, vshrn_n_u32(vbslq_u32(vceqq_f32(v, v), rounded, quiet), 16));
}
ND_INLINE void F32x4::store_bytes(uint8_t* p) const {
    const uint16x4_t words = vmovn_u32(vreinterpretq_u32_f32(v));
    const uint8x8_t bytes = vmovn_u16(vcombine_u16(words, words));
    const uint32_t four = vget_lane_u32(vreinterpret_u32_u8(bytes), 0);
    std::memcpy(p, &four, sizeof four);
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
ND_INLINE F32x4 F32x4::max_magnitude(F32x4 a, F32x4 b) {
    const __m128i x = _mm_castps_si128(a.v), y = _mm_castps_si128(abs(b).v), more = _mm_cmpgt_epi32(y, x);
    return {_mm_castsi128_ps(_mm_or_si128(_mm_and_si128(more, y), _mm_andnot_si128(more, x)))};
}
ND_INLINE F32x4 F32x4::load_bf16(const uint16_t* p) {
    const __m128i halves = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
    return {_mm_castsi128_ps(_mm_unpacklo_epi16(_mm_setzero_si128(), halves))};
}
ND_INLINE void F32x4::store_bf16(uint16_t* p) const {
    const __m128i bits = _mm_castps_si128(v), nan = _mm_castps_si128(_mm_cmpunord_ps(v, v));
    const __m128i odd = _mm_and_si128(_mm_srli_epi32(bits, 16), _mm_set1_epi32(1));
    const __m128i rounded = _mm_add_epi32(bits, _mm_add_epi32(odd, _mm_set1_epi32(0x7fff)));
    const __m128i quiet = _mm_or_si128(bits, _mm_set1_epi32(0x400000));
    // Extending the sign lets the signed pack keep all sixteen bits.
    const __m128i words = _mm_srai_epi32(_mm_or_si128(_mm_and_si128(nan, quiet), _mm_andnot_si128(nan, rounded)), 16);
    _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packs_epi32(words, words));
}
ND_INLINE void F32x4::store_bytes(uint8_t* p) const {
    const __m128i low = _mm_and_si128(_mm_castps_si128(v), _mm_set1_epi32(0xff)), words = _mm_packs_epi32(low, low);
    const int four = _mm_cvtsi128_si32(_mm_packus_epi16(words, words));
    std::memcpy(p, &four, sizeof four);
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
ND_INLINE F32x4 F32x4::max_magnitude(F32x4 a, F32x4 b) {
    const F32x4 c = abs(b);
    return f32x4::each([&](int i) { return c.v.x[i] <= a.v.x[i] || a.v.x[i] != a.v.x[i] ? a.v.x[i] : c.v.x[i]; });
}
ND_INLINE F32x4 F32x4::load_bf16(const uint16_t* p) {
    return f32x4::each([&](int i) { return from_bf16(p[i]); });
}
ND_INLINE void F32x4::store_bf16(uint16_t* p) const {
    for (int i = 0; i < 4; ++i) p[i] = to_bf16(v.x[i]);
}
ND_INLINE void F32x4::store_bytes(uint8_t* p) const {
    for (int i = 0; i < 4; ++i) {
        uint32_t bits;
        std::memcpy(&bits, &v.x[i], 4);
        p[i] = static_cast<uint8_t>(bits);
    }
}

#endif

}  // namespace nd::kernels
