// Sixteen floats in an AVX-512 register. Only files compiled for AVX-512 may include this; see f32x4.h for the
// contract.
#pragma once

// GCC 12 takes the undefined registers inside its own intrinsics for a mistake (its bug 105593).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <immintrin.h>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#include <cstdint>

#include "native/kernels/simd/config.h"

namespace nd::kernels {

struct F32x16 {
    static constexpr int width = 16;
    static constexpr int registers = 32;
    static constexpr bool loads_halves = true;
    static constexpr bool streams = true;
    __m512 v;

    static ND_INLINE F32x16 zero() { return {_mm512_setzero_ps()}; }
    static ND_INLINE F32x16 set(float x) { return {_mm512_set1_ps(x)}; }
    static ND_INLINE F32x16 load(const float* p) { return {_mm512_loadu_ps(p)}; }
    static ND_INLINE F32x16 load(const float* p, int64_t n, float fill) {
        return {_mm512_mask_loadu_ps(_mm512_set1_ps(fill), mask(n), p)};
    }
    static ND_INLINE F32x16 load_f16(const uint16_t* p) {
        return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
    }
    static ND_INLINE F32x16 load_bf16(const uint16_t* p) {
        const __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
        return {_mm512_castsi512_ps(_mm512_slli_epi32(wide, 16))};
    }
    static ND_INLINE F32x16 load_bf16(const uint16_t* p, int64_t n, float fill) {
        const __m512i wide = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask(n), p));
        return {_mm512_mask_mov_ps(_mm512_set1_ps(fill), mask(n), _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16)))};
    }
    ND_INLINE void store(float* p) const { _mm512_storeu_ps(p, v); }
    ND_INLINE void store(float* p, int64_t n) const { _mm512_mask_storeu_ps(p, mask(n), v); }
    ND_INLINE void store_bf16(uint16_t* p) const {
        const __m512i halves = _mm512_srli_epi32(rounded(), 16);
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtepi32_epi16(halves));
    }
    ND_INLINE void store_bf16(uint16_t* p, int64_t n) const {
        _mm256_mask_storeu_epi16(p, mask(n), _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded(), 16)));
    }
    static ND_INLINE void store_bf16(uint16_t* p, F32x16 a, F32x16 b) { _mm512_storeu_si512(p, bf16(a, b)); }
    // Past the caches, to a multiple of 64 bytes; visible to others after a fence.
    static ND_INLINE void stream_bf16(uint16_t* p, F32x16 a, F32x16 b) {
        _mm512_stream_si512(reinterpret_cast<__m512i*>(p), bf16(a, b));
    }
    static ND_INLINE void fence() { _mm_sfence(); }
    static ND_INLINE __m512i bf16(F32x16 a, F32x16 b) {
        alignas(64) static constexpr uint16_t kUpperHalves[32] = {1,  3,  5,  7,  9,  11, 13, 15, 17, 19, 21,
                                                                  23, 25, 27, 29, 31, 33, 35, 37, 39, 41, 43,
                                                                  45, 47, 49, 51, 53, 55, 57, 59, 61, 63};
        const __m512i halves = _mm512_load_si512(kUpperHalves);
        return _mm512_permutex2var_epi16(a.rounded(), halves, b.rounded());
    }
    ND_INLINE void store_bytes(uint8_t* p) const {
        _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(_mm512_castps_si512(v)));
    }
    ND_INLINE void store_bytes(uint8_t* p, int64_t n) const {
        _mm_mask_storeu_epi8(p, mask(n), _mm512_cvtepi32_epi8(_mm512_castps_si512(v)));
    }

    friend ND_INLINE F32x16 operator+(F32x16 a, F32x16 b) { return {_mm512_add_ps(a.v, b.v)}; }
    friend ND_INLINE F32x16 operator-(F32x16 a, F32x16 b) { return {_mm512_sub_ps(a.v, b.v)}; }
    friend ND_INLINE F32x16 operator*(F32x16 a, F32x16 b) { return {_mm512_mul_ps(a.v, b.v)}; }
    friend ND_INLINE F32x16 operator/(F32x16 a, F32x16 b) { return {_mm512_div_ps(a.v, b.v)}; }
    static ND_INLINE F32x16 fma(F32x16 a, F32x16 b, F32x16 c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
    static ND_INLINE F32x16 max(F32x16 a, F32x16 b) { return {_mm512_max_ps(a.v, b.v)}; }
    static ND_INLINE F32x16 min(F32x16 a, F32x16 b) { return {_mm512_min_ps(a.v, b.v)}; }
    static ND_INLINE F32x16 abs(F32x16 a) { return {_mm512_abs_ps(a.v)}; }
    static ND_INLINE F32x16 where_negative(F32x16 x, F32x16 a, F32x16 b) {
        return {_mm512_mask_mov_ps(b.v, _mm512_cmp_ps_mask(x.v, _mm512_setzero_ps(), _CMP_LT_OQ), a.v)};
    }
    static ND_INLINE F32x16 add_exponent(F32x16 a, F32x16 n) {
        const __m512i shifted = _mm512_slli_epi32(_mm512_castps_si512(n.v), 23);
        return {_mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(a.v), shifted))};
    }
    static ND_INLINE F32x16 max_magnitude(F32x16 a, F32x16 b) {
        return {_mm512_castsi512_ps(_mm512_max_epi32(_mm512_castps_si512(a.v), _mm512_castps_si512(abs(b).v)))};
    }
    static ND_INLINE float largest(F32x16 a) {
        return _mm_cvtss_f32(_mm_castsi128_ps(_mm_cvtsi32_si128(_mm512_reduce_max_epi32(_mm512_castps_si512(a.v)))));
    }
    static ND_INLINE float sum(F32x16 a) { return _mm512_reduce_add_ps(a.v); }

    // Rows become columns: 16 x 16, by interleaving pairs, fours, then 128-bit lanes twice.
    static ND_INLINE void transpose(F32x16 (&r)[16]) {
        __m512 t[16];
        ND_UNROLL
        for (int i = 0; i < 16; i += 2) {
            t[i] = _mm512_unpacklo_ps(r[i].v, r[i + 1].v);
            t[i + 1] = _mm512_unpackhi_ps(r[i].v, r[i + 1].v);
        }
        ND_UNROLL
        for (int i = 0; i < 16; i += 4) {
            r[i].v = _mm512_shuffle_ps(t[i], t[i + 2], 0x44);
            r[i + 1].v = _mm512_shuffle_ps(t[i], t[i + 2], 0xee);
            r[i + 2].v = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0x44);
            r[i + 3].v = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0xee);
        }
        ND_UNROLL
        for (int i = 0; i < 4; ++i) {
            t[i] = _mm512_shuffle_f32x4(r[i].v, r[i + 4].v, 0x88);
            t[i + 4] = _mm512_shuffle_f32x4(r[i].v, r[i + 4].v, 0xdd);
            t[i + 8] = _mm512_shuffle_f32x4(r[i + 8].v, r[i + 12].v, 0x88);
            t[i + 12] = _mm512_shuffle_f32x4(r[i + 8].v, r[i + 12].v, 0xdd);
        }
        ND_UNROLL
        for (int i = 0; i < 4; ++i) {
            r[i].v = _mm512_shuffle_f32x4(t[i], t[i + 8], 0x88);
            r[i + 8].v = _mm512_shuffle_f32x4(t[i], t[i + 8], 0xdd);
            r[i + 4].v = _mm512_shuffle_f32x4(t[i + 4], t[i + 12], 0x88);
            r[i + 12].v = _mm512_shuffle_f32x4(t[i + 4], t[i + 12], 0xdd);
        }
    }

  private:
    // Rounded to the upper halves: by integers, since a CPU with AVX-512 need not have AVX512-BF16.
    ND_INLINE __m512i rounded() const {
        const __m512i bits = _mm512_castps_si512(v);
        const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
        const __m512i sum = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
        const __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
        return _mm512_mask_or_epi32(sum, nan, bits, _mm512_set1_epi32(0x400000));
    }
    static ND_INLINE __mmask16 mask(int64_t n) { return static_cast<__mmask16>((1u << n) - 1u); }
};

}  // namespace nd::kernels
