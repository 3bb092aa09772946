// Eight floats in an AVX register. Only files compiled for AVX2 may include this; see f32x4.h for the contract.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "native/kernels/simd/config.h"

namespace nd::kernels {

struct F32x8 {
    static constexpr int width = 8;
    static constexpr int registers = 16;
    static constexpr bool loads_halves = true;
    static constexpr bool streams = false;
    __m256 v;

    static ND_INLINE F32x8 zero() { return {_mm256_setzero_ps()}; }
    static ND_INLINE F32x8 set(float x) { return {_mm256_set1_ps(x)}; }
    static ND_INLINE F32x8 load(const float* p) { return {_mm256_loadu_ps(p)}; }
    static ND_INLINE F32x8 load(const float* p, int64_t n, float fill) {
        const __m256i m = mask(n);
        return {_mm256_blendv_ps(_mm256_set1_ps(fill), _mm256_maskload_ps(p, m), _mm256_castsi256_ps(m))};
    }
    static ND_INLINE F32x8 load_f16(const uint16_t* p) {
        return {_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))};
    }
    static ND_INLINE F32x8 load_bf16(const uint16_t* p) {
        const __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
        return {_mm256_castsi256_ps(_mm256_slli_epi32(wide, 16))};
    }
    static ND_INLINE F32x8 load_bf16(const uint16_t* p, int64_t n, float fill) {
        uint16_t a[8] = {};
        std::memcpy(a, p, static_cast<size_t>(n) * sizeof *p);
        return {_mm256_blendv_ps(_mm256_set1_ps(fill), load_bf16(a).v, _mm256_castsi256_ps(mask(n)))};
    }
    ND_INLINE void store(float* p) const { _mm256_storeu_ps(p, v); }
    ND_INLINE void store(float* p, int64_t n) const { _mm256_maskstore_ps(p, mask(n), v); }
    ND_INLINE void store_bf16(uint16_t* p) const { _mm_storeu_si128(reinterpret_cast<__m128i*>(p), pack(rounded())); }
    ND_INLINE void store_bf16(uint16_t* p, int64_t n) const {
        uint16_t a[8];
        store_bf16(a);
        std::memcpy(p, a, static_cast<size_t>(n) * sizeof *p);
    }
    static ND_INLINE void store_bf16(uint16_t* p, F32x8 a, F32x8 b) {
        const __m256i halves = _mm256_packs_epi32(a.rounded(), b.rounded());
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_permute4x64_epi64(halves, 0xd8));
    }
    ND_INLINE void store_bytes(uint8_t* p) const {
        const __m128i words = pack(_mm256_and_si256(_mm256_castps_si256(v), _mm256_set1_epi32(0xff)));
        _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packus_epi16(words, words));
    }
    ND_INLINE void store_bytes(uint8_t* p, int64_t n) const {
        uint8_t a[8];
        store_bytes(a);
        std::memcpy(p, a, static_cast<size_t>(n));
    }

    friend ND_INLINE F32x8 operator+(F32x8 a, F32x8 b) { return {_mm256_add_ps(a.v, b.v)}; }
    friend ND_INLINE F32x8 operator-(F32x8 a, F32x8 b) { return {_mm256_sub_ps(a.v, b.v)}; }
    friend ND_INLINE F32x8 operator*(F32x8 a, F32x8 b) { return {_mm256_mul_ps(a.v, b.v)}; }
    friend ND_INLINE F32x8 operator/(F32x8 a, F32x8 b) { return {_mm256_div_ps(a.v, b.v)}; }
    static ND_INLINE F32x8 fma(F32x8 a, F32x8 b, F32x8 c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
    static ND_INLINE F32x8 max(F32x8 a, F32x8 b) { return {_mm256_max_ps(a.v, b.v)}; }
    static ND_INLINE F32x8 min(F32x8 a, F32x8 b) { return {_mm256_min_ps(a.v, b.v)}; }
    static ND_INLINE F32x8 abs(F32x8 a) { return {_mm256_andnot_ps(_mm256_set1_ps(-0.0f), a.v)}; }
    static ND_INLINE F32x8 where_negative(F32x8 x, F32x8 a, F32x8 b) {
        return {_mm256_blendv_ps(b.v, a.v, _mm256_cmp_ps(x.v, _mm256_setzero_ps(), _CMP_LT_OQ))};
    }
    static ND_INLINE F32x8 add_exponent(F32x8 a, F32x8 n) {
        const __m256i shifted = _mm256_slli_epi32(_mm256_castps_si256(n.v), 23);
        return {_mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(a.v), shifted))};
    }
    static ND_INLINE F32x8 max_magnitude(F32x8 a, F32x8 b) {
        return {_mm256_castsi256_ps(_mm256_max_epi32(_mm256_castps_si256(a.v), _mm256_castps_si256(abs(b).v)))};
    }
    static ND_INLINE float largest(F32x8 a) {
        const __m256i bits = _mm256_castps_si256(a.v);
        __m128i m = _mm_max_epi32(_mm256_castsi256_si128(bits), _mm256_extracti128_si256(bits, 1));
        m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4e));
        return _mm_cvtss_f32(_mm_castsi128_ps(_mm_max_epi32(m, _mm_shuffle_epi32(m, 0xb1))));
    }
    static ND_INLINE float sum(F32x8 a) {
        __m128 s = _mm_add_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
        s = _mm_add_ps(s, _mm_movehl_ps(s, s));
        return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
    }

    // Rows become columns: 8 x 8, by interleaving pairs, fours, then 128-bit lanes.
    static ND_INLINE void transpose(F32x8 (&r)[8]) {
        __m256 t[8];
        ND_UNROLL
        for (int i = 0; i < 8; i += 2) {
            t[i] = _mm256_unpacklo_ps(r[i].v, r[i + 1].v);
            t[i + 1] = _mm256_unpackhi_ps(r[i].v, r[i + 1].v);
        }
        ND_UNROLL
        for (int i = 0; i < 8; i += 4) {
            r[i].v = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
            r[i + 1].v = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
            r[i + 2].v = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
            r[i + 3].v = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
        }
        ND_UNROLL
        for (int i = 0; i < 4; ++i) {
            t[i] = _mm256_permute2f128_ps(r[i].v, r[i + 4].v, 0x20);
            t[i + 4] = _mm256_permute2f128_ps(r[i].v, r[i + 4].v, 0x31);
        }
        ND_UNROLL
        for (int i = 0; i < 8; ++i) r[i].v = t[i];
    }

  private:
    // Rounded to the upper halves, which the sign then fills: so a signed pack keeps all their bits.
    ND_INLINE __m256i rounded() const {
        const __m256i bits = _mm256_castps_si256(v);
        const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
        const __m256i sum = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
        const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
        const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));
        return _mm256_srai_epi32(_mm256_blendv_epi8(sum, quiet, nan), 16);
    }
    static ND_INLINE __m128i pack(__m256i words) {
        return _mm_packs_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    }
    static ND_INLINE __m256i mask(int64_t n) {
        return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    }
};

}  // namespace nd::kernels
