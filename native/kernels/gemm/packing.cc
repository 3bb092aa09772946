#include "native/kernels/gemm/packing.h"

#include <ggml.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "native/kernels/cpu.h"
#include "native/kernels/gemm/gate.h"
#include "native/kernels/gemm/packing_avx512.h"
#include "native/kernels/gemm/winograd.h"

namespace nd::kernels {

namespace {

int64_t round_up(int64_t value, int64_t multiple) {
    return ceil_div(value, multiple) * multiple;
}

// Sixteen rows of [taps][c] as [tap][group][row], `Group` making 32 bits of one row's values; rows that are missing are
// zeros.
template <int kSize, class Group>
void pack_vector(const float* values, int64_t rows, int64_t taps, int64_t c, char* out, int64_t step, Group group) {
    const int64_t groups = ceil_div(c, kSize);
    for (int64_t tap = 0; tap < taps; ++tap) {
        for (int64_t g = 0; g < groups; ++g, out += step) {
            uint32_t line[kPackedVector] = {};
            const int64_t count = std::min<int64_t>(kSize, c - g * kSize);
            for (int64_t row = 0; row < rows; ++row)
                line[row] = group(row, values + (row * taps + tap) * c + g * kSize, count);
            std::memcpy(out, line, sizeof line);
        }
    }
}

uint32_t bf16_pair(const float* values) {
    const uint32_t low = ggml_fp32_to_bf16(values[0]).bits, high = ggml_fp32_to_bf16(values[1]).bits;
    return low | high << 16;
}

// The multiple of `scale` next to a value, at most 127 away from zero.
int32_t quantise(float value, float inverse) {
    return static_cast<int32_t>(std::clamp(std::nearbyint(value * inverse), -kSteps, kSteps));
}

float largest_magnitude(const float* values, int64_t n) {
    float largest = 0;
    for (int64_t i = 0; i < n; ++i) largest = std::max(largest, std::fabs(values[i]));
    return largest;
}

}  // namespace

bool can_multiply(Packing packing) {
    return packing == Packing::rows || (packing == Packing::i8 ? has_int8() : has_bf16());
}

bool can_pack(Packing packing, int64_t taps, int64_t c) {
    if (packing == Packing::winograd) return taps == 9 && c % kWinogradBlock == 0;
    return packing == Packing::rows || packing == Packing::i8 || c % group_size(packing) == 0;
}

PackedLayout::PackedLayout(const WeightView& weights)
    : PackedLayout(weights.packing, places_of(weights.n, weights.gated), weights.taps, weights.c) {}

PackedLayout::PackedLayout(Packing packing, int64_t places, int64_t taps, int64_t c) {
    const int64_t size = group_size(packing);
    if (packing == Packing::winograd) taps = kPositions;
    groups = ceil_div(c, size);
    channels = round_up(places, kPackedVector);
    panel = static_cast<size_t>(kPanel * taps * groups) * kGroupBytes;
    scales = static_cast<size_t>(channels * taps * groups) * kGroupBytes;
    const bool scaled = packing == Packing::i8;
    corrections = scales + (scaled ? static_cast<size_t>(channels) * sizeof(float) : 0);
    this->size = corrections + (scaled ? static_cast<size_t>(channels * taps) * sizeof(int32_t) : 0);
}

void pack_rows(Packing packing, const float* values, int64_t places, int64_t taps, int64_t c, int64_t first,
               int64_t rows, void* data) {
    const PackedLayout layout(packing, places, taps, c);
    std::vector<float> transformed;
    if (packing == Packing::winograd) {
        transformed.resize(static_cast<size_t>(rows * kPositions * c));
        for (int64_t row = 0; row < rows; ++row)
            winograd_weights(values + row * taps * c, c, transformed.data() + row * kPositions * c);
        values = transformed.data(), taps = kPositions;
    }
    const int64_t step = layout.group_step(first);
    for (int64_t row = 0; row < rows; row += kPackedVector) {
        const int64_t count = std::min(kPackedVector, rows - row);
        const float* from = values + row * taps * c;
        char* out = static_cast<char*>(data) + layout.vector_at(first + row);
        if (packing != Packing::i8) {
            pack_vector<2>(from, count, taps, c, out, step,
                           [](int64_t, const float* group, int64_t) { return bf16_pair(group); });
            continue;
        }
        auto* scales = reinterpret_cast<float*>(static_cast<char*>(data) + layout.scales) + first + row;
        auto* corrections = reinterpret_cast<int32_t*>(static_cast<char*>(data) + layout.corrections) + first + row;
        float inverse[kPackedVector] = {};
        for (int64_t i = 0; i < kPackedVector; ++i) {
            const float largest = i < count ? largest_magnitude(from + i * taps * c, taps * c) : 0;
            scales[i] = largest / kSteps;
            inverse[i] = inverse_scale(largest);
            for (int64_t tap = 0; tap < taps; ++tap) corrections[tap * layout.channels + i] = 0;
        }
        int64_t visited = 0;  // groups, tap after tap
        pack_vector<4>(from, count, taps, c, out, step, [&](int64_t i, const float* group, int64_t size) {
            uint32_t bits = 0;
            int32_t sum = 0;
            for (int64_t j = 0; j < size; ++j) {
                const int32_t q = quantise(group[j], inverse[i]);
                sum += q;
                bits |= uint32_t(uint8_t(q)) << (8 * j);
            }
            corrections[visited / layout.groups * layout.channels + i] -= kZeroPoint * sum;
            if (i == count - 1) ++visited;
            return bits;
        });
    }
}

bool pack_file_rows(Packing packing, const FileRows& from, int64_t places, int64_t taps, int64_t c, int64_t first,
                    int64_t rows, void* data) {
#if ND_X86
    const bool known = from.type == GGML_TYPE_F32 || from.type == GGML_TYPE_F16 || from.type == GGML_TYPE_BF16;
    if (known && taps <= avx512::kMostPackedTaps && isa() == Isa::avx512)
        return avx512::pack_file_rows(packing, from, places, taps, c, first, rows, data);
#endif
    return false;
}

void set_packing(ggml_tensor& weights, Packing packing, bool gated) {
    weights.op_params[0] = static_cast<int32_t>(packing);
    weights.op_params[1] = gated;
}

Packing packing_of(const ggml_tensor& weights) {
    return static_cast<Packing>(weights.op_params[0]);
}

bool is_gated(const ggml_tensor& weights) {
    return weights.op_params[1] != 0;
}

void unpack_row(const WeightView& weights, int64_t row, float* values) {
    const auto* data = static_cast<const char*>(weights.data);
    if (weights.packing == Packing::winograd) {
        WeightView panels = weights;
        panels.packing = Packing::bf16, panels.taps = kPositions;
        std::vector<float> transformed(static_cast<size_t>(kPositions * weights.c));
        unpack_row(panels, row, transformed.data());
        return winograd_weights_back(transformed.data(), weights.c, values);
    }
    const int64_t count = weights.taps * weights.c;
    if (!in_panels(weights.packing)) {
        data += static_cast<size_t>(row) * weights.row_bytes;
        if (weights.type == GGML_TYPE_F32) {
            std::memcpy(values, data, static_cast<size_t>(count) * sizeof(float));
        } else {
            ggml_get_type_traits(weights.type)->to_float(data, values, count);
        }
        for (int64_t i = 0; i < count && weights.packing == Packing::blocks; ++i)
            values[i] = ggml_bf16_to_fp32(ggml_fp32_to_bf16(values[i]));
        return;
    }
    const PackedLayout layout(weights);
    const int64_t size = group_size(weights.packing), place = weights.gated ? gated_place(row, weights.n) : row;
    const char* vector = data + layout.vector_at(place);
    for (int64_t i = 0; i < count; ++i) {
        const int64_t tap = i / weights.c, channel = i % weights.c;
        const int64_t group = tap * layout.groups + channel / size;
        const char* at = vector + group * layout.group_step(place);
        if (weights.packing == Packing::bf16) {
            ggml_bf16_t bits;
            std::memcpy(&bits, at + channel % size * 2, sizeof bits);
            values[i] = ggml_bf16_to_fp32(bits);
        } else {
            float scale;
            std::memcpy(&scale, data + layout.scales + static_cast<size_t>(place) * sizeof scale, sizeof scale);
            values[i] = static_cast<float>(static_cast<int8_t>(at[channel % size])) * scale;
        }
    }
}

}  // namespace nd::kernels
