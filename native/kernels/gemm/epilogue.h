// What turns sums into y: scales, bias, residual or gate, and y's format.
#pragma once

#include <cstdint>
#include <cstring>

#include "native/kernels/gemm/gate.h"
#include "native/kernels/gemm/plan.h"
#include "native/kernels/simd/math.h"

namespace nd::kernels {

// Of up to 64 places of a panel, from `place` on.
template <class V>
class Epilogue {
  public:
    static constexpr int W = V::width;

    // `scales`: of each place, or null.
    Epilogue(const GemmArgs& args, int64_t place, int64_t places, const float* scales)
        : args_(args), y_(columns_of(args, place, places)), scaled_(scales != nullptr) {
        if (scales) std::memcpy(scales_, scales + place, static_cast<size_t>(places) * sizeof(float));
        copy_bias(args, place, places, bias_);
        const GemmGeometry& g = args.geometry;
        const int64_t size = g.batch * g.out_height * g.out_width * args.y_stride * 2;
        streams_ = V::streams && args.y_format == Format::bf16 && !args.residual && places == kPanel &&
                   y_.count % 32 == 0 && size >= kStreamedBytes && args.y_stride % 32 == 0 &&
                   reinterpret_cast<uintptr_t>(args.y) % 64 == 0;
    }

    int64_t columns() const { return y_.count; }

    // The sums of a vector of channels, from place + j on, of one output pixel of a layer without a gate.
    ND_INLINE void write(V value, int64_t pixel, int64_t j) const {
        value = finish(value, j);
        if (args_.residual) value = value + residual(pixel, j);
        store(value, pixel, j);
    }

    // The sums of one output pixel, which `sum(j)` tells for a vector of places.
    template <class Sum>
    ND_INLINE void write_row(int64_t pixel, Sum sum) const {
        if (args_.gated) {
            const auto gated = [&](int64_t i) {
                const int64_t j = i / kGateRun * (2 * kGateRun) + i % kGateRun, gate = j + kGateRun;
                return finish(sum(j), j) * gelu(finish(sum(gate), gate));
            };
            if (streams_) return stream_row(pixel, gated);
            for (int64_t i = 0; i < y_.count; i += W) store(gated(i), pixel, i);
        } else {
            if (streams_) return stream_row(pixel, [&](int64_t j) { return finish(sum(j), j); });
            for (int64_t j = 0; j < y_.count; j += W) write(sum(j), pixel, j);
        }
    }

    // After a task's last row: makes streamed rows visible to whoever learns that the task is done.
    void flush() const {
        if constexpr (V::streams) {
            if (streams_) V::fence();
        }
    }

    // Rows of y lie far apart and are touched once in a long while: fetched ahead, they cost no waiting.
    void prefetch(int64_t pixel) const {
        if (streams_) return;
        fetch(args_.y, args_.y_format, at(pixel, 0));
        if (args_.residual) fetch(args_.residual, args_.residual_format, at(pixel, 0));
    }

  private:
    // Maps of bf16 that no cache would keep until they are read: written past it, their old contents need not be
    // fetched.
    static constexpr int64_t kStreamedBytes = int64_t{16} << 20;

    ND_INLINE V finish(V value, int64_t j) const {
        if (scaled_) value = value * V::load(scales_ + j);
        return value + V::load(bias_ + j);
    }

    // Where channel j of a pixel lies, and how many of a vector there are from it on.
    ND_INLINE int64_t at(int64_t pixel, int64_t j) const { return pixel * args_.y_stride + y_.first + j; }
    ND_INLINE int64_t count(int64_t j) const { return y_.count - j < W ? y_.count - j : W; }

    ND_INLINE V residual(int64_t pixel, int64_t j) const {
        return args_.residual_format == Format::f32
                   ? V::load(static_cast<const float*>(args_.residual) + at(pixel, j), count(j), 0.0f)
                   : V::load_bf16(static_cast<const uint16_t*>(args_.residual) + at(pixel, j), count(j), 0.0f);
    }

    ND_INLINE void store(V value, int64_t pixel, int64_t j) const {
        if (args_.y_format == Format::f32) {
            value.store(static_cast<float*>(args_.y) + at(pixel, j), count(j));
        } else {
            value.store_bf16(static_cast<uint16_t*>(args_.y) + at(pixel, j), count(j));
        }
    }

    // Whole cache lines of bf16, which `value(i)` tells for a vector.
    template <class Value>
    ND_INLINE void stream_row(int64_t pixel, Value value) const {
        if constexpr (V::streams) {
            auto* y = static_cast<uint16_t*>(args_.y) + at(pixel, 0);
            for (int64_t i = 0; i < y_.count; i += 2 * W) V::stream_bf16(y + i, value(i), value(i + W));
        }
    }

    void fetch(const void* base, Format format, int64_t at) const {
        const int64_t size = format == Format::f32 ? 4 : 2;
        const char* bytes = static_cast<const char*>(base) + at * size;
        for (int64_t i = 0; i < y_.count * size; i += 64) ND_PREFETCH(bytes + i);
    }

    const GemmArgs& args_;
    Columns y_;
    bool scaled_, streams_ = false;
    alignas(64) float bias_[kPanel] = {};
    alignas(64) float scales_[kPanel] = {};
};

}  // namespace nd::kernels
