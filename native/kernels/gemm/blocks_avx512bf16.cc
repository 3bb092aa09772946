// The panels of block-quantised weights: 32 values of a row become sixteen pairs of bf16, sixteen rows of those are
// transposed.
#include "native/kernels/cpu.h"
#include "native/kernels/gemm/blocks.h"

#if ND_X86

#include <ggml.h>

#include <cstring>

#include "native/kernels/gemm/gate.h"
#include "native/kernels/gemm/packing.h"
#include "native/kernels/scratch.h"
#include "native/kernels/simd/bf16x32.h"
#include "native/kernels/simd/f32x16.h"

namespace nd::kernels::avx512bf16 {

namespace {

constexpr int64_t kValues = 32;  // of a row at a time
// Values that a type without a reader of its own is widened by, whole blocks of all types.
constexpr int64_t kStep = 256;

// 32 values in turn.
struct Values {
    F32x16 low, high;
};

template <class T>
ND_INLINE T read(const char* from) {
    T value;
    std::memcpy(&value, from, sizeof value);
    return value;
}

ND_INLINE F32x16 half(const char* from) {
    return {_mm512_cvtph_ps(_mm256_set1_epi16(read<int16_t>(from)))};
}

ND_INLINE __m512i bytes(const char* from) {
    return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
}

ND_INLINE F32x16 number(__m512i whole) {
    return {_mm512_cvtepi32_ps(whole)};
}

ND_INLINE __m512i bits(__m512i value, int shift, int mask) {
    return _mm512_and_si512(_mm512_srl_epi32(value, _mm_cvtsi32_si128(shift)), _mm512_set1_epi32(mask));
}

// Sixteen where the mask has a bit.
ND_INLINE __m512i sixteen(__mmask16 mask) {
    return _mm512_maskz_set1_epi32(mask, 16);
}

// Q4_0, Q4_1, Q5_0 and Q5_1: a scale, a minimum or none, fifth bits or none, and sixteen bytes whose lower halves are
// the first sixteen values. Without a minimum zero stands at the middle.
template <bool kMinimum, bool kFifth>
struct Small {
    static constexpr int64_t values = 32, size = 2 + (kMinimum ? 2 : 0) + (kFifth ? 4 : 0) + 16;
    static ND_INLINE Values load(const char* block, int64_t) {
        const F32x16 scale = half(block);
        const char* at = block + (kMinimum ? 4 : 2);
        const __m512i packed = bytes(at + (kFifth ? 4 : 0));
        __m512i low = bits(packed, 0, 15), high = bits(packed, 4, 15);
        if constexpr (kFifth) {
            const auto fifth = read<uint32_t>(at);
            low = _mm512_or_si512(low, sixteen(static_cast<__mmask16>(fifth)));
            high = _mm512_or_si512(high, sixteen(static_cast<__mmask16>(fifth >> 16)));
        }
        if constexpr (kMinimum) {
            const F32x16 minimum = half(block + 2);
            return {F32x16::fma(number(low), scale, minimum), F32x16::fma(number(high), scale, minimum)};
        }
        const __m512i middle = _mm512_set1_epi32(kFifth ? 16 : 8);
        return {number(_mm512_sub_epi32(low, middle)) * scale, number(_mm512_sub_epi32(high, middle)) * scale};
    }
};

// IQ4_NL: as Q4_0, but its numbers are places in a table.
struct Table {
    static constexpr int64_t values = 32, size = 18;
    static ND_INLINE Values load(const char* block, int64_t) {
        alignas(64) static constexpr float kTable[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                                         1,    13,   25,  38,  53,  69,  89,  113};
        const F32x16 scale = half(block), table = F32x16::load(kTable);
        const __m512i packed = bytes(block + 2);
        return {F32x16{_mm512_permutexvar_ps(bits(packed, 0, 15), table.v)} * scale,
                F32x16{_mm512_permutexvar_ps(bits(packed, 4, 15), table.v)} * scale};
    }
};

// Q8_0: a scale and 32 signed bytes.
struct Bytes {
    static constexpr int64_t values = 32, size = 34;
    static ND_INLINE Values load(const char* block, int64_t) {
        const F32x16 scale = half(block);
        const auto part = [&](const char* from) {
            return number(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)))) * scale;
        };
        return {part(block + 2), part(block + 18)};
    }
};

// Q4_K and Q5_K: eight parts of 32 values, each with a scale and a minimum of six bits; two scales for these; fifth
// bits or none; halves of bytes, those of two parts in one.
template <bool kFifth>
struct Large {
    static constexpr int64_t values = 256, size = 4 + 12 + (kFifth ? 32 : 0) + 128;
    static ND_INLINE Values load(const char* block, int64_t part) {
        const auto* six = reinterpret_cast<const uint8_t*>(block + 4);
        int scale = six[part] & 63, minimum = 0;
        if (part < 4) {
            minimum = six[part + 4] & 63;
        } else {
            scale = (six[part + 4] & 15) | (six[part - 4] >> 6 << 4);
            minimum = (six[part + 4] >> 4) | (six[part] >> 6 << 4);
        }
        const F32x16 d = half(block) * F32x16::set(static_cast<float>(scale));
        const F32x16 least = half(block + 2) * F32x16::set(static_cast<float>(minimum));
        const char* from = block + 16 + (kFifth ? 32 : 0) + part / 2 * 32;
        const auto half_part = [&](int64_t i) {
            __m512i q = bits(bytes(from + i), part % 2 * 4, 15);
            if constexpr (kFifth)
                q = _mm512_or_si512(q, _mm512_slli_epi32(bits(bytes(block + 16 + i), static_cast<int>(part), 1), 4));
            return F32x16{_mm512_fmsub_ps(number(q).v, d.v, least.v)};
        };
        return {half_part(0), half_part(16)};
    }
};

// Q6_K: four lower bits, two upper ones, a signed scale for every sixteen values, and one for these.
struct Six {
    static constexpr int64_t values = 256, size = 128 + 64 + 16 + 2;
    static ND_INLINE Values load(const char* block, int64_t part) {
        const int64_t group = part / 4, quarter = part % 4;
        const char *low = block + group * 64 + quarter % 2 * 32, *high = block + 128 + group * 32;
        const char* scales = block + 192 + group * 8 + quarter * 2;
        const F32x16 d = half(block + 208);
        const auto half_part = [&](int64_t i) {
            const __m512i upper = bits(bytes(high + i), static_cast<int>(2 * quarter), 3);
            const __m512i lower = bits(bytes(low + i), static_cast<int>(quarter / 2 * 4), 15);
            const __m512i q =
                _mm512_sub_epi32(_mm512_or_si512(lower, _mm512_slli_epi32(upper, 4)), _mm512_set1_epi32(32));
            const float scale = read<int8_t>(scales + i / 16);
            return number(q) * (d * F32x16::set(scale));
        };
        return {half_part(0), half_part(16)};
    }
};

// Any other type, as f32.
struct Floats {
    static constexpr int64_t values = 32, size = 32 * sizeof(float);
    static ND_INLINE Values load(const char* block, int64_t) {
        const auto* from = reinterpret_cast<const float*>(block);
        return {F32x16::load(from), F32x16::load(from + 16)};
    }
};

// The values [first, first + count) of sixteen rows, `row_bytes` apart, of which `rows` are there.
template <class Block>
ND_NOINLINE void widen(const char* from, size_t row_bytes, int64_t rows, int64_t first, int64_t count, char* to,
                       int64_t step) {
    for (int64_t k = first; k < first + count; k += kValues) {
        F32x16 lines[kPackedVector];
        const char* block = from + k / Block::values * Block::size;
        const int64_t part = k % Block::values / kValues;
        for (int64_t row = 0; row < kPackedVector; ++row) {
            lines[row] = F32x16::zero();
            if (row >= rows) continue;
            const Values v = Block::load(block + static_cast<size_t>(row) * row_bytes, part);
            lines[row] = {_mm512_castsi512_ps(as_bits(_mm512_cvtne2ps_pbh(v.high.v, v.low.v)))};
        }
        F32x16::transpose(lines);
        ND_UNROLL
        for (int i = 0; i < kPackedVector; ++i, to += step) lines[i].store(reinterpret_cast<float*>(to));
    }
}

ND_NOINLINE void widen_any(ggml_type type, const char* from, size_t row_bytes, int64_t rows, int64_t first,
                           int64_t count, char* to, int64_t step) {
    const auto* traits = ggml_get_type_traits(type);
    float* values = scratch(Scratch::rows, static_cast<size_t>(kPackedVector * kStep));
    for (int64_t k = first; k < first + count; k += kStep) {
        const int64_t n = first + count - k < kStep ? first + count - k : kStep;
        for (int64_t row = 0; row < rows; ++row) {
            const char* at = from + static_cast<size_t>(row) * row_bytes + ggml_row_size(type, k);
            traits->to_float(at, values + row * kStep, n);
        }
        widen<Floats>(reinterpret_cast<const char*>(values), kStep * sizeof(float), rows, 0, n, to, step);
        to += n / 2 * step;
    }
}

}  // namespace

void widen_blocks(const GemmArgs& args, int64_t place, int64_t places, int64_t first, int64_t groups, char* panel) {
    const WeightView& w = args.weights;
    const int64_t step = (places + kPackedVector - 1) / kPackedVector * kPackedVector * int64_t(kGroupBytes);
    for (int64_t j = 0; j < places; j += kPackedVector) {
        const Run run = run_at(place + j, kPackedVector, w.n, args.gated);
        const char* from = static_cast<const char*>(w.data) + static_cast<size_t>(run.row) * w.row_bytes;
        char* to = panel + j * int64_t(kGroupBytes);
        const auto with = [&](auto widen_rows) {
            widen_rows(from, w.row_bytes, run.count, 2 * first, 2 * groups, to, step);
        };
        switch (w.type) {
            case GGML_TYPE_Q4_0:
                with(widen<Small<false, false>>);
                break;
            case GGML_TYPE_Q4_1:
                with(widen<Small<true, false>>);
                break;
            case GGML_TYPE_Q5_0:
                with(widen<Small<false, true>>);
                break;
            case GGML_TYPE_Q5_1:
                with(widen<Small<true, true>>);
                break;
            case GGML_TYPE_IQ4_NL:
                with(widen<Table>);
                break;
            case GGML_TYPE_Q8_0:
                with(widen<Bytes>);
                break;
            case GGML_TYPE_Q4_K:
                with(widen<Large<false>>);
                break;
            case GGML_TYPE_Q5_K:
                with(widen<Large<true>>);
                break;
            case GGML_TYPE_Q6_K:
                with(widen<Six>);
                break;
            default:
                widen_any(w.type, from, w.row_bytes, run.count, 2 * first, 2 * groups, to, step);
        }
    }
}

}  // namespace nd::kernels::avx512bf16

#endif
