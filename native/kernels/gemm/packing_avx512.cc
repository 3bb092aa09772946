// Packing for AVX-512. Sixteen rows, the lanes of a vector in the panel, are read sixteen values at a time and
// transposed.
#include "native/kernels/gemm/packing_avx512.h"

#include "native/kernels/cpu.h"

#if ND_X86

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "native/kernels/gemm/winograd.h"
#include "native/kernels/simd/f32x16.h"

namespace nd::kernels::avx512 {

namespace {

// At most sixteen numbers of a file, of any alignment; the others are zeros.
template <ggml_type kType>
ND_INLINE F32x16 load(const std::byte* from, int64_t count) {
    const auto mask = static_cast<__mmask16>((1u << count) - 1);
    if constexpr (kType == GGML_TYPE_F32) return {_mm512_maskz_loadu_ps(mask, from)};
    const __m256i halves = _mm256_maskz_loadu_epi16(mask, from);
    if constexpr (kType == GGML_TYPE_F16) return {_mm512_cvtph_ps(halves)};
    return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16))};
}

template <ggml_type kType>
constexpr int64_t kValueBytes = kType == GGML_TYPE_F32 ? 4 : 2;

// Sixteen output channels, of which `rows` are there, and where they go.
struct Vector {
    const std::byte* from;
    int64_t rows, taps, c;
    bool taps_last;
    char* to;
    int64_t group_step, tap_step;  // bytes from one group to the next, from one tap to the next
};

// A block of input channels: for each of them and each tap a vector of its values in the sixteen output channels.
struct Block {
    alignas(64) float values[kPackedBlock * kMostPackedTaps][kPackedVector];
    int64_t channel_step, tap_step;

    ND_INLINE F32x16 at(int64_t channel, int64_t tap) const {
        return F32x16::load(values[channel * channel_step + tap * tap_step]);
    }
};

// Channels from `first` on; those beyond the last are zeros.
template <ggml_type kType>
ND_INLINE void read_block(const Vector& v, int64_t first, Block& block) {
    const int64_t channels = std::min(kPackedBlock, v.c - first), row_bytes = v.taps * v.c * kValueBytes<kType>;
    block.channel_step = v.taps_last ? v.taps : 1, block.tap_step = v.taps_last ? 1 : kPackedBlock;
    for (int64_t step = 0; step < v.taps; ++step) {
        const int64_t at = v.taps_last ? first * v.taps + step * kPackedVector : step * v.c + first;
        const int64_t left = v.taps_last ? channels * v.taps - step * kPackedVector : channels;
        const int64_t count = std::clamp<int64_t>(left, 0, kPackedVector);
        const std::byte* from = v.from + at * kValueBytes<kType>;
        F32x16 lines[kPackedVector];
        if (v.rows == kPackedVector && count > 0) {
            ND_UNROLL
            for (int row = 0; row < kPackedVector; ++row) lines[row] = load<kType>(from + row * row_bytes, count);
        } else {
            for (int row = 0; row < kPackedVector; ++row)
                lines[row] = row < v.rows && count > 0 ? load<kType>(from + row * row_bytes, count) : F32x16::zero();
        }
        F32x16::transpose(lines);
        ND_UNROLL
        for (int i = 0; i < kPackedVector; ++i) lines[i].store(block.values[step * kPackedVector + i]);
    }
}

// A group of two bf16, the first in the lower half.
ND_INLINE void store_pair(F32x16 first, F32x16 second, char* to) {
    alignas(64) static constexpr uint16_t kInTurn[32] = {0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                                         8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    alignas(64) uint16_t halves[32];
    F32x16::store_bf16(halves, first, second);
    _mm512_storeu_si512(to, _mm512_permutexvar_epi16(_mm512_load_si512(kInTurn), _mm512_load_si512(halves)));
}

template <ggml_type kType>
void pack_bf16(const Vector& v) {
    Block block;
    for (int64_t first = 0; first < v.c; first += kPackedBlock) {
        read_block<kType>(v, first, block);
        const int64_t pairs = std::min(kPackedBlock, v.c - first) / 2;
        for (int64_t tap = 0; tap < v.taps; ++tap) {
            char* to = v.to + tap * v.tap_step + first / 2 * v.group_step;
            for (int64_t pair = 0; pair < pairs; ++pair)
                store_pair(block.at(2 * pair, tap), block.at(2 * pair + 1, tap), to + pair * v.group_step);
        }
    }
}

// G g of winograd.cc, in its order of sums.
ND_INLINE void spread(F32x16 a, F32x16 b, F32x16 c, F32x16 (&u)[4]) {
    const F32x16 half = F32x16::set(0.5f);
    u[0] = a;
    u[1] = half * (a + b + c);
    u[2] = half * (a - b + c);
    u[3] = c;
}

ND_INLINE void transform(const Block& block, int64_t channel, F32x16 (&u)[4][4]) {
    F32x16 columns[3][4];
    ND_UNROLL
    for (int i = 0; i < 3; ++i)
        spread(block.at(channel, i), block.at(channel, 3 + i), block.at(channel, 6 + i), columns[i]);
    ND_UNROLL
    for (int i = 0; i < 4; ++i) spread(columns[0][i], columns[1][i], columns[2][i], u[i]);
}

// Neighbours at the places of winograd_channel() are two channels apart.
template <ggml_type kType>
void pack_winograd(const Vector& v) {
    constexpr int64_t kPairs = kWinogradBlock / 2, kQuads = kPackedBlock / 4;
    Block block;
    for (int64_t first = 0; first < v.c; first += kPackedBlock) {
        read_block<kType>(v, first, block);
        const int64_t group = first / kWinogradBlock * kPairs + first % kWinogradBlock / 4;
        for (int64_t pair = 0; pair < 2 * kQuads; ++pair) {
            const int64_t odd = pair / kQuads, quad = pair % kQuads;
            F32x16 one[4][4], other[4][4];
            transform(block, 4 * quad + odd, one);
            transform(block, 4 * quad + odd + 2, other);
            char* to = v.to + (group + odd * kPairs / 2 + quad) * v.group_step;
            ND_UNROLL
            for (int position = 0; position < kPositions; ++position)
                store_pair(one[position / 4][position % 4], other[position / 4][position % 4],
                           to + position * v.tap_step);
        }
    }
}

template <ggml_type kType>
float largest_magnitude(const std::byte* from, int64_t count) {
    constexpr int64_t kStreams = 4, kStep = kStreams * F32x16::width;
    F32x16 most[kStreams] = {F32x16::zero(), F32x16::zero(), F32x16::zero(), F32x16::zero()};
    int64_t i = 0;
    for (; i + kStep <= count; i += kStep, from += kStep * kValueBytes<kType>) {
        ND_UNROLL
        for (int k = 0; k < kStreams; ++k) {
            const std::byte* at = from + k * F32x16::width * kValueBytes<kType>;
            most[k] = F32x16::max_magnitude(most[k], load<kType>(at, F32x16::width));
        }
    }
    for (; i < count; i += F32x16::width, from += F32x16::width * kValueBytes<kType>)
        most[0] = F32x16::max_magnitude(most[0], load<kType>(from, std::min<int64_t>(count - i, F32x16::width)));
    const F32x16 one = F32x16::max_magnitude(most[0], most[1]), other = F32x16::max_magnitude(most[2], most[3]);
    return F32x16::largest(F32x16::max_magnitude(one, other));
}

// No quotient is further than 127 steps from zero, but for what rounding takes back. `corrections` of the vector's
// channels lie `correction_step` apart from one tap to the next.
template <ggml_type kType>
bool pack_i8(const Vector& v, float* scales, int32_t* corrections, int64_t correction_step) {
    alignas(64) float inverse[kPackedVector] = {};
    for (int64_t row = 0; row < kPackedVector; ++row) {
        const int64_t count = v.taps * v.c;
        const float largest =
            row < v.rows ? largest_magnitude<kType>(v.from + row * count * kValueBytes<kType>, count) : 0;
        if (!std::isfinite(largest)) return false;
        scales[row] = largest / kSteps;
        inverse[row] = inverse_scale(largest);
    }
    const F32x16 factor = F32x16::load(inverse);
    const __m512i byte = _mm512_set1_epi32(0xff);
    __m512i sums[kMostPackedTaps] = {};
    Block block;
    for (int64_t first = 0; first < v.c; first += kPackedBlock) {
        read_block<kType>(v, first, block);
        const int64_t groups = (std::min(kPackedBlock, v.c - first) + 3) / 4;
        for (int64_t tap = 0; tap < v.taps; ++tap) {
            char* to = v.to + tap * v.tap_step + first / 4 * v.group_step;
            for (int64_t group = 0; group < groups; ++group) {
                __m512i bits = _mm512_setzero_si512();
                ND_UNROLL
                for (int i = 3; i >= 0; --i) {
                    const __m512i q = _mm512_cvtps_epi32((block.at(4 * group + i, tap) * factor).v);
                    sums[tap] = _mm512_add_epi32(sums[tap], q);
                    bits = _mm512_or_si512(_mm512_slli_epi32(bits, 8), _mm512_and_si512(q, byte));
                }
                _mm512_storeu_si512(to + group * v.group_step, bits);
            }
        }
    }
    for (int64_t tap = 0; tap < v.taps; ++tap) {
        const __m512i correction = _mm512_mullo_epi32(sums[tap], _mm512_set1_epi32(-kZeroPoint));
        _mm512_storeu_si512(corrections + tap * correction_step, correction);
    }
    return true;
}

template <ggml_type kType>
bool pack(Packing packing, const FileRows& from, int64_t places, int64_t taps, int64_t c, int64_t first, int64_t rows,
          void* data) {
    const PackedLayout layout(packing, places, taps, c);
    const int64_t group_step = layout.group_step(first);
    for (int64_t row = 0; row < rows; row += kPackedVector) {
        Vector v{static_cast<const std::byte*>(from.data) + row * taps * c * kValueBytes<kType>,
                 std::min(kPackedVector, rows - row),
                 taps,
                 c,
                 from.taps_last,
                 static_cast<char*>(data) + layout.vector_at(first + row),
                 group_step,
                 layout.groups * group_step};
        if (packing == Packing::bf16) {
            pack_bf16<kType>(v);
        } else if (packing == Packing::winograd) {
            pack_winograd<kType>(v);
        } else {
            auto* scales = reinterpret_cast<float*>(static_cast<char*>(data) + layout.scales) + first + row;
            auto* corrections = reinterpret_cast<int32_t*>(static_cast<char*>(data) + layout.corrections) + first + row;
            if (!pack_i8<kType>(v, scales, corrections, layout.channels)) return false;
        }
    }
    return true;
}

}  // namespace

bool pack_file_rows(Packing packing, const FileRows& from, int64_t places, int64_t taps, int64_t c, int64_t first,
                    int64_t rows, void* data) {
    const auto as = from.type == GGML_TYPE_F32   ? pack<GGML_TYPE_F32>
                    : from.type == GGML_TYPE_F16 ? pack<GGML_TYPE_F16>
                                                 : pack<GGML_TYPE_BF16>;
    return as(packing, from, places, taps, c, first, rows, data);
}

}  // namespace nd::kernels::avx512

#endif
