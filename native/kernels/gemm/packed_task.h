// One GEMM task over packed weights, or blocks widened to such panels: 64 output channels over a chunk of pixels.
#pragma once

#include <cstdint>
#include <cstring>

#include "native/kernels/gemm/blocks.h"
#include "native/kernels/gemm/epilogue.h"
#include "native/kernels/gemm/gemm.h"
#include "native/kernels/gemm/packed_tile.h"
#include "native/kernels/gemm/packing.h"
#include "native/kernels/gemm/plan.h"
#include "native/kernels/gemm/taps.h"
#include "native/kernels/scratch.h"

namespace nd::kernels {

template <class Dot>
class PackedGemmTask {
  public:
    PackedGemmTask(const GemmArgs& args, int64_t task)
        : args_(args),
          w_(args.weights),
          layout_(w_),
          plan_(packed_gemm_plan(args)),
          taps_(args.geometry),
          column0_(task / plan_.chunks * kPanel) {
        columns_ = smaller(kPanel, places_of(w_.n, args.gated) - column0_);
        vectors_ = static_cast<int>((columns_ + kPackedVector - 1) / kPackedVector);
        pixel0_ = task % plan_.chunks * plan_.chunk;
        pixel1_ = smaller(plan_.pixels, pixel0_ + plan_.chunk);
    }

    void run() {
        const auto* parts = static_cast<const char*>(w_.data);
        const auto* scales = Dot::scaled ? reinterpret_cast<const float*>(parts + layout_.scales) : nullptr;
        corrections_ = reinterpret_cast<const int32_t*>(parts + layout_.corrections);
        const Epilogue<F32x16> epilogue(args_, column0_, columns_, scales);
        const bool whole = plan_.block == plan_.k;
        float* sums = scratch(Scratch::sums, static_cast<size_t>((whole ? kTileRows : plan_.chunk) * kPanel));
        for (int64_t k0 = 0; k0 < plan_.k; k0 += plan_.block) {
            const int64_t count = smaller(plan_.block, plan_.k - k0);
            taps_.cut(layout_.groups, k0, count);
            const char* panel = this->panel(k0, count);
            for (int64_t pixel = pixel0_; pixel < pixel1_; pixel += kTileRows) {
                const bool last = k0 + count == plan_.k;
                const int64_t end = smaller(pixel + kTileRows, pixel1_);
                for (int64_t row = pixel; last && row < end; ++row) epilogue.prefetch(row);
                const char* x[kMaxTaps * kTileRows];
                for (int r = 0; r < kTileRows; ++r) gather(smaller(pixel + r, pixel1_ - 1), x + r);
                if (Dot::scaled && whole && taps_.segments() == 1) {
                    multiply_integers(x, panel, 0);
                    finish_integers(epilogue, pixel, end);
                    continue;
                }
                float* at = whole ? sums : sums + (pixel - pixel0_) * kPanel;
                multiply(x, panel, k0 == 0, at);
                if (last) finish(epilogue, pixel, end, at);
            }
        }
        epilogue.flush();
    }

  private:
    static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

    // The panel's groups from k0 on: as they were packed, or widened now.
    const char* panel(int64_t k0, int64_t count) const {
        const int64_t line = vectors_ * kPackedVector * int64_t(kGroupBytes);
        if (w_.packing == Packing::blocks) {
            float* widened = scratch(Scratch::panel, static_cast<size_t>(count * line) / sizeof(float));
            avx512bf16::widen_blocks(args_, column0_, columns_, k0, count, reinterpret_cast<char*>(widened));
            return reinterpret_cast<const char*>(widened);
        }
        return static_cast<const char*>(w_.data) + layout_.vector_at(column0_) + k0 * line;
    }

    // sums += (or =) the products of six pixels.
    void multiply(const char* const* x, const char* panel, bool fresh, float* sums) {
        if constexpr (Dot::scaled) {
            for (int64_t s = 0; s < taps_.segments(); ++s, x += kTileRows) {
                multiply_integers(x, panel, s);
                panel += taps_.counts()[s] * vectors_ * 64;
                with_vectors([&]<int N>() { add_scaled<N>(whole_, scales_, fresh && s == 0, sums); });
            }
        } else {
            with_vectors(
                [&]<int N>() { packed_tile<Dot, N>(x, taps_.counts(), taps_.segments(), panel, fresh, sums); });
        }
    }

    // whole_ = the integer products of six pixels with one segment; scales_ = those of the six.
    void multiply_integers(const char* const* x, const char* panel, int64_t segment) {
        if constexpr (Dot::scaled) {
            // What was added to the activations is taken out once a tap: with the tap's first segment.
            const int32_t* start = taps_.starts_tap(segment)
                                       ? corrections_ + taps_.tap(segment) * layout_.channels + column0_
                                       : no_correction_;
            with_vectors(
                [&]<int N>() { packed_integer_tile<Dot, N>(x, taps_.counts()[segment], panel, start, whole_); });
            const size_t before = static_cast<size_t>(taps_.channel(segment)) * kGroupBytes + kScaleBytes;
            for (int r = 0; r < kTileRows; ++r) std::memcpy(&scales_[r], x[r] - before, sizeof(float));
        }
    }

    // The number of vectors as a constant.
    template <class Body>
    ND_INLINE void with_vectors(Body body) const {
        switch (vectors_) {
            case 1:
                return body.template operator()<1>();
            case 2:
                return body.template operator()<2>();
            case 3:
                return body.template operator()<3>();
            default:
                return body.template operator()<4>();
        }
    }

    void gather(int64_t pixel, const char** x) const {
        constexpr size_t header = Dot::scaled ? kScaleBytes : 0;
        const auto* base = static_cast<const char*>(args_.x) + header;
        const auto stride = args_.x_stride * Dot::value_bytes;
        taps_.locate(pixel, [&](int64_t segment, int64_t input, int64_t group) {
            const char* row = input < 0 ? reinterpret_cast<const char*>(zeros()) + header : base + input * stride;
            x[segment * kTileRows] = row + group * int64_t(kGroupBytes);
        });
    }

    static ND_NOINLINE void finish(const Epilogue<F32x16>& epilogue, int64_t pixel, int64_t end, const float* sums) {
        for (; pixel < end; ++pixel, sums += kPanel)
            epilogue.write_row(pixel, [&](int64_t j) { return F32x16::load(sums + j); });
    }

    ND_NOINLINE void finish_integers(const Epilogue<F32x16>& epilogue, int64_t pixel, int64_t end) const {
        const int32_t* whole = whole_;
        for (int r = 0; pixel < end; ++pixel, ++r, whole += kPanel) {
            const F32x16 scale = F32x16::set(scales_[r]);
            epilogue.write_row(
                pixel, [&](int64_t j) { return F32x16{_mm512_cvtepi32_ps(_mm512_load_si512(whole + j))} * scale; });
        }
    }

    const GemmArgs& args_;
    const WeightView& w_;
    const PackedLayout layout_;
    const GemmPlan plan_;  // k and block are counted in groups
    Taps taps_;
    int64_t column0_, columns_ = 0, pixel0_ = 0, pixel1_ = 0;
    int vectors_ = 0;
    const int32_t* corrections_ = nullptr;
    alignas(64) int32_t no_correction_[kPanel] = {};
    alignas(64) int32_t whole_[kTileRows * kPanel];
    float scales_[kTileRows];
};

}  // namespace nd::kernels
