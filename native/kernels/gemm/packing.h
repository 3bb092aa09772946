// Weights packed once, when a model is loaded, for products of bf16 or int8: panels of 64 output channels.
//
// The unit of both products is a group: 32 bits that hold two bf16 or four int8 neighbours along c. A panel is
// [tap][group][channel][value of the group], so that a vector holds one group of sixteen channels. The last panel is
// cut to whole vectors. After int8 panels follow a float a channel, its scale, and an int32 a tap and channel, -128
// times the sum of the tap's weights: activations are stored with 128 added, and this takes it out again. Weights for
// Winograd's convolution are bf16 panels of their transforms: sixteen positions in the place of nine taps.
#pragma once

#include <cstdint>
#include <limits>

#include "native/kernels/gemm/plan.h"
#include "native/kernels/rows/format.h"
#include "native/kernels/weight_view.h"

namespace nd::kernels {

constexpr int64_t kPackedVector = 16;  // channels of a vector
constexpr size_t kGroupBytes = 4;

constexpr int64_t group_size(Packing packing) {
    return packing == Packing::i8 ? 4 : 2;
}

// The format of the activations that such weights are multiplied with.
constexpr Format format_of(Packing packing) {
    return packing == Packing::rows ? Format::f32 : packing == Packing::i8 ? Format::i8 : Format::bf16;
}

// Whether this CPU multiplies such panels, and whether weights of that many taps and channels a tap can be packed so.
bool can_multiply(Packing packing);
bool can_pack(Packing packing, int64_t taps, int64_t c);

// Where the parts of packed weights lie, in bytes.
struct PackedLayout {
    PackedLayout(Packing packing, int64_t places, int64_t taps, int64_t c);
    explicit PackedLayout(const WeightView& weights);

    int64_t groups;    // of a tap
    int64_t channels;  // places rounded up to whole vectors
    size_t panel;      // from one panel to the next
    size_t scales, corrections, size;

    // Where the vector of a place begins, and the bytes from one of its groups to the next.
    ND_INLINE size_t vector_at(int64_t place) const {
        return static_cast<size_t>(place / kPanel) * panel + static_cast<size_t>(place % kPanel) * kGroupBytes;
    }
    ND_INLINE int64_t group_step(int64_t place) const {
        const int64_t left = channels - place / kPanel * kPanel;
        return (left < kPanel ? left : kPanel) * static_cast<int64_t>(kGroupBytes);
    }
};

// Writes `values`, f32 [rows][taps][c], to the places `first` to `first + rows` of packed weights that begin at `data`:
// whole vectors of one panel, so `first` is a multiple of 16, and zeros stand in for rows that fail to fill the last of
// them. Weights without a gate have a place for each row.
void pack_rows(Packing packing, const float* values, int64_t places, int64_t taps, int64_t c, int64_t first,
               int64_t rows, void* data);

// Rows of weights as a file may have them: of any alignment, one after another, [taps][c] or, where `taps_last`,
// [c][taps].
struct FileRows {
    ggml_type type = GGML_TYPE_F32;
    const void* data = nullptr;  // the first of the rows to be packed
    bool taps_last = false;
};

// The same, byte for byte, from f32, f16 or bf16 rows without a detour, and fast. Returns false where that cannot
// be: for other types, more than nine taps, a CPU without AVX-512, and a value for int8 that is infinite or not a
// number.
bool pack_file_rows(Packing packing, const FileRows& from, int64_t places, int64_t taps, int64_t c, int64_t first,
                    int64_t rows, void* data);

// What a row of int8 is multiplied with: 0 for one of zeros, or so small that the quotient is infinite.
constexpr float inverse_scale(float largest) {
    return largest > kSteps / std::numeric_limits<float>::max() ? kSteps / largest : 0.0f;
}

// The packing of a weight tensor, which ggml has no type for: packed weights are a tensor of bytes that carries its
// packing in op_params, as weights are the result of no operation.
void set_packing(ggml_tensor& weights, Packing packing, bool gated = false);
Packing packing_of(const ggml_tensor& weights);
bool is_gated(const ggml_tensor& weights);

// One row, in the order before packing, as it was packed, f32 [taps][c]: what the products see, for tests.
void unpack_row(const WeightView& weights, int64_t row, float* values);

}  // namespace nd::kernels
