// What turns sums into y: scales, bias, residual, and y's format.
#pragma once

#include <cstdint>
#include <cstring>

#include "native/kernels/gemm/gemm.h"
#include "native/kernels/gemm/plan.h"
#include "native/kernels/simd/f32x16.h"

namespace nd::kernels {

// Of up to 64 output channels from `column0` on.
class Epilogue {
  public:
    // `scales`: of each output channel, or null.
    Epilogue(const GemmArgs& args, int64_t column0, int64_t columns, const float* scales)
        : args_(args), column0_(column0), columns_(columns), scaled_(scales != nullptr) {
        const auto bytes = static_cast<size_t>(columns) * sizeof(float);
        if (scales) std::memcpy(scales_, scales + column0, bytes);
        if (args.bias) std::memcpy(bias_, args.bias + column0, bytes);
        const GemmGeometry& g = args.geometry;
        const int64_t size = g.batch * g.out_height * g.out_width * args.y_stride * 2;
        streams_ = args.y_format == Format::bf16 && !args.residual && columns == kPanel && size >= kStreamedBytes &&
                   args.y_stride % 32 == 0 && reinterpret_cast<uintptr_t>(args.y) % 64 == 0;
    }

    int64_t columns() const { return columns_; }

    // The sums of sixteen channels, from column0 + j on, of one output pixel.
    ND_INLINE void write(F32x16 value, int64_t pixel, int64_t j) const {
        const int64_t at = pixel * args_.y_stride + column0_ + j, left = columns_ - j;
        const int64_t count = left < F32x16::width ? left : F32x16::width;
        value = finish(value, j);
        if (args_.residual) value = value + residual(at, count);
        if (args_.y_format == Format::f32) {
            value.store(static_cast<float*>(args_.y) + at, count);
        } else {
            value.store_bf16(static_cast<uint16_t*>(args_.y) + at, count);
        }
    }

    // The sums of one output pixel, which `sum(j)` tells for sixteen channels.
    template <class Sum>
    ND_INLINE void write_row(int64_t pixel, Sum sum) const {
        if (!streams_) {
            for (int64_t j = 0; j < columns_; j += F32x16::width) write(sum(j), pixel, j);
            return;
        }
        auto* y = static_cast<uint16_t*>(args_.y) + pixel * args_.y_stride + column0_;
        for (int64_t j = 0; j < kPanel; j += 2 * F32x16::width) {
            const int64_t next = j + F32x16::width;
            F32x16::stream_bf16(y + j, finish(sum(j), j), finish(sum(next), next));
        }
    }

    // After a task's last row: makes streamed rows visible to whoever learns that the task is done.
    void flush() const {
        if (streams_) _mm_sfence();
    }

    // Rows of y lie far apart and are touched once in a long while: fetched ahead, they cost no waiting.
    void prefetch(int64_t pixel) const {
        if (streams_) return;
        const int64_t at = pixel * args_.y_stride + column0_;
        fetch(args_.y, args_.y_format, at);
        if (args_.residual) fetch(args_.residual, args_.residual_format, at);
    }

  private:
    // Maps of bf16 that no cache would keep until they are read: written past it, their old contents need not be
    // fetched.
    static constexpr int64_t kStreamedBytes = int64_t{16} << 20;

    ND_INLINE F32x16 finish(F32x16 value, int64_t j) const {
        if (scaled_) value = value * F32x16::load(scales_ + j);
        return value + F32x16::load(bias_ + j);
    }

    ND_INLINE F32x16 residual(int64_t at, int64_t count) const {
        return args_.residual_format == Format::f32
                   ? F32x16::load(static_cast<const float*>(args_.residual) + at, count, 0.0f)
                   : F32x16::load_bf16(static_cast<const uint16_t*>(args_.residual) + at, count, 0.0f);
    }

    void fetch(const void* base, Format format, int64_t at) const {
        const int64_t size = format == Format::f32 ? 4 : 2;
        const char* bytes = static_cast<const char*>(base) + at * size;
        for (int64_t i = 0; i < columns_ * size; i += 64) ND_PREFETCH(bytes + i);
    }

    const GemmArgs& args_;
    int64_t column0_, columns_;
    bool scaled_, streams_ = false;
    alignas(64) float bias_[kPanel] = {};
    alignas(64) float scales_[kPanel] = {};
};

}  // namespace nd::kernels
