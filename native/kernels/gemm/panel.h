// Weights of up to 64 output channels, dequantised and transposed: [column group][k][columns of the group].
#pragma once

#include <ggml.h>

#include <cstdint>
#include <cstring>

#include "native/kernels/scratch.h"
#include "native/kernels/simd/config.h"
#include "native/kernels/weight_view.h"

namespace nd::kernels {

template <class V>
struct PanelPacker {
    static constexpr int W = V::width;

    const WeightView& weights;
    int64_t k0, count;  // the values of each row that are wanted

    // Rows row0 .. row0 + rows - 1 (at most W) become columns at `out`, whose k step is `out_stride`; missing rows read
    // 0.
    void pack(int64_t row0, int64_t rows, float* out, int64_t out_stride) const {
        const char* base = static_cast<const char*>(weights.data);
        const char* row[W];
        for (int i = 0; i < W; ++i) row[i] = base + (row0 + (i < rows ? i : 0)) * weights.row_bytes;
        if (weights.type == GGML_TYPE_F32) return transpose(Floats{}, row, 4 * k0, rows, out, out_stride);
        if constexpr (V::loads_halves) {
            if (weights.type == GGML_TYPE_F16) return transpose(F16{}, row, 2 * k0, rows, out, out_stride);
            if (weights.type == GGML_TYPE_BF16) return transpose(Bf16{}, row, 2 * k0, rows, out, out_stride);
        }
        const auto* traits = ggml_get_type_traits(weights.type);
        const size_t offset = static_cast<size_t>(k0 / traits->blck_size) * traits->type_size;
        float* values = scratch(Scratch::rows, static_cast<size_t>(W * count));
        for (int i = 0; i < rows; ++i) traits->to_float(row[i] + offset, values + i * count, count);
        for (int i = 0; i < W; ++i) row[i] = reinterpret_cast<const char*>(values + (i < rows ? i : 0) * count);
        transpose(Floats{}, row, 0, rows, out, out_stride);
    }

  private:
    struct Floats {
        using Item = float;
        static ND_INLINE V load(const float* p) { return V::load(p); }
    };
    struct F16 {
        using Item = uint16_t;
        static ND_INLINE V load(const uint16_t* p) { return V::load_f16(p); }
    };
    struct Bf16 {
        using Item = uint16_t;
        static ND_INLINE V load(const uint16_t* p) { return V::load_bf16(p); }
    };

    template <class Loader>
    ND_NOINLINE void transpose(Loader, const char* const (&row)[W], int64_t offset, int64_t rows, float* out,
                               int64_t out_stride) const {
        using Item = typename Loader::Item;
        V r[W];
        int64_t k = 0;
        for (; k + W <= count; k += W) {
            ND_UNROLL
            for (int i = 0; i < W; ++i) r[i] = Loader::load(reinterpret_cast<const Item*>(row[i] + offset) + k);
            if (rows < W) blank(r, rows);
            V::transpose(r);
            ND_UNROLL
            for (int i = 0; i < W; ++i) r[i].store(out + (k + i) * out_stride);
        }
        if (k == count) return;
        for (int i = 0; i < W; ++i) {
            Item values[W] = {};
            std::memcpy(values, row[i] + offset + k * sizeof(Item), (count - k) * sizeof(Item));
            r[i] = Loader::load(values);
        }
        if (rows < W) blank(r, rows);
        V::transpose(r);
        for (int64_t i = 0; i < count - k; ++i) r[i].store(out + (k + i) * out_stride);
    }

    static void blank(V (&r)[W], int64_t rows) {
        for (int64_t i = rows; i < W; ++i) r[i] = V::zero();
    }
};

}  // namespace nd::kernels
