// Where a convolution's taps read, and how its sum is cut into segments: runs of channels under one tap.
#pragma once

#include <cstdint>

#include "native/kernels/gemm/plan.h"
#include "native/kernels/scratch.h"

namespace nd::kernels {

class Taps {
  public:
    explicit Taps(const GemmGeometry& geometry) : g_(geometry) {
        plain_ = g_.kernel == 1 && g_.stride == 1 && g_.upsample == 1 && g_.pad_top == 0 && g_.pad_left == 0 &&
                 g_.out_width == g_.width && g_.out_height == g_.height;
    }

    // The segments of values [k0, k0 + count) of a row of taps * c values (or groups of values).
    void cut(int64_t c, int64_t k0, int64_t count) {
        segments_ = 0;
        for (int64_t k = k0; k < k0 + count;) {
            const int64_t tap = k / c, channel = k % c, left = k0 + count - k;
            counts_[segments_] = c - channel < left ? c - channel : left;
            segment_[segments_] = {tap, tap / g_.kernel, tap % g_.kernel, channel};
            k += counts_[segments_++];
        }
    }

    int64_t segments() const { return segments_; }
    const int64_t* counts() const { return counts_; }
    int64_t tap(int64_t segment) const { return segment_[segment].tap; }
    int64_t channel(int64_t segment) const { return segment_[segment].channel; }  // its first
    bool starts_tap(int64_t segment) const { return segment_[segment].channel == 0; }

    // Calls found(segment, input pixel or -1 in the padding, first channel of the segment) for an output pixel.
    template <class Found>
    ND_INLINE void locate(int64_t pixel, Found found) const {
        if (plain_) {
            for (int64_t s = 0; s < segments_; ++s) found(s, pixel, segment_[s].channel);
            return;
        }
        const int64_t line = pixel / g_.out_width, picture = line / g_.out_height;
        const int64_t top = line % g_.out_height * g_.stride - g_.pad_top;
        const int64_t left = pixel % g_.out_width * g_.stride - g_.pad_left;
        for (int64_t s = 0; s < segments_; ++s) {
            int64_t i = top + segment_[s].row, j = left + segment_[s].column;
            const bool outside = i < 0 || j < 0 || i >= seen_height(g_) || j >= seen_width(g_);
            if (g_.upsample != 1) i /= g_.upsample, j /= g_.upsample;
            found(s, outside ? -1 : (picture * g_.height + i) * g_.width + j, segment_[s].channel);
        }
    }

  private:
    struct Segment {
        int64_t tap, row, column;  // row and column of the tap in the kernel
        int64_t channel;
    };

    const GemmGeometry& g_;
    bool plain_;  // output pixel m reads input pixel m
    int64_t segments_ = 0;
    Segment segment_[kMaxTaps];
    int64_t counts_[kMaxTaps];
};

}  // namespace nd::kernels
