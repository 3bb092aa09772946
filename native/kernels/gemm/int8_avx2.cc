// A task over int8 panels with AVX2, which has no product of bytes whose sums cannot overflow: weights and activations
// are widened to int16, and pairs of those multiplied (Intel's VPMADDWD). Sums are the same integers as AVX512-VNNI's.
#include "native/kernels/gemm/variants.h"

#if ND_X86

#include <cstdint>
#include <cstring>

#include "native/kernels/gemm/epilogue.h"
#include "native/kernels/gemm/packing.h"
#include "native/kernels/gemm/plan.h"
#include "native/kernels/gemm/taps.h"
#include "native/kernels/scratch.h"
#include "native/kernels/simd/f32x8.h"

namespace nd::kernels::avx2int8 {

namespace {

// A group's four bytes become two pairs of int16: its even bytes, then its odd ones.
constexpr int64_t kPairs = 2;
// Groups whose widened panel is half of a 1 MiB L2 cache.
constexpr int64_t kWideBlock = 1024;
constexpr int64_t kVectorBytes = kPackedVector * int64_t(kGroupBytes);

int64_t smaller(int64_t a, int64_t b) {
    return a < b ? a : b;
}

ND_INLINE __m256i load(const void* p) {
    return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}

ND_INLINE void store(void* p, __m256i v) {
    _mm256_storeu_si256(static_cast<__m256i*>(p), v);
}

// Weights [group][vector][16 channels][4] as [vector][group][pair][16 channels][2].
ND_NOINLINE void widen_panel(const char* panel, int64_t groups, int64_t vectors, char* out) {
    for (int64_t v = 0; v < vectors; ++v) {
        const char* from = panel + v * kVectorBytes;
        for (int64_t g = 0; g < groups; ++g, from += vectors * kVectorBytes, out += kPairs * kVectorBytes) {
            ND_UNROLL
            for (int half = 0; half < 2; ++half) {
                const __m256i bytes = load(from + half * 32);
                store(out + half * 32, _mm256_srai_epi16(_mm256_slli_epi16(bytes, 8), 8));
                store(out + kVectorBytes + half * 32, _mm256_srai_epi16(bytes, 8));
            }
        }
    }
}

// A row's unsigned bytes [group][4] as [group][pair][2].
ND_NOINLINE void widen_row(const char* x, int64_t groups, int32_t* out) {
    const __m256i low = _mm256_set1_epi32(0x00ff00ff);
    int64_t g = 0;
    for (; g + 8 <= groups; g += 8) {
        const __m256i bytes = load(x + g * int64_t(kGroupBytes));
        const __m256i even = _mm256_and_si256(bytes, low), odd = _mm256_srli_epi16(bytes, 8);
        const __m256i first = _mm256_unpacklo_epi32(even, odd), second = _mm256_unpackhi_epi32(even, odd);
        store(out + g * kPairs, _mm256_permute2x128_si256(first, second, 0x20));
        store(out + g * kPairs + 8, _mm256_permute2x128_si256(first, second, 0x31));
    }
    for (; g < groups; ++g) {
        uint32_t bytes;
        std::memcpy(&bytes, x + g * int64_t(kGroupBytes), sizeof bytes);
        out[g * kPairs] = static_cast<int32_t>(bytes & 0x00ff00ffu);
        out[g * kPairs + 1] = static_cast<int32_t>(bytes >> 8 & 0x00ff00ffu);
    }
}

// out[row][16 of 64 channels] = start[channel] + the products of `pairs` pairs of six rows, `stride` pairs apart.
ND_NOINLINE void multiply_pairs(const int32_t* x, int64_t stride, int64_t pairs, const char* panel,
                                const int32_t* start, int32_t* out) {
    const int32_t* const row[kTileRows] = {
        x, x + stride, x + 2 * stride, x + 3 * stride, x + 4 * stride, x + 5 * stride};
    __m256i sum[kTileRows][2];
    ND_UNROLL
    for (int r = 0; r < kTileRows; ++r) {
        ND_UNROLL
        for (int n = 0; n < 2; ++n) sum[r][n] = load(start + n * 8);
    }
    for (int64_t k = 0; k < pairs; ++k, panel += kVectorBytes) {
        const __m256i w[2] = {load(panel), load(panel + 32)};
        ND_UNROLL
        for (int r = 0; r < kTileRows; ++r) {
            const __m256i a = _mm256_set1_epi32(row[r][k]);
            ND_UNROLL
            for (int n = 0; n < 2; ++n) sum[r][n] = _mm256_add_epi32(sum[r][n], _mm256_madd_epi16(a, w[n]));
        }
    }
    ND_UNROLL
    for (int r = 0; r < kTileRows; ++r) {
        ND_UNROLL
        for (int n = 0; n < 2; ++n) store(out + r * kPanel + n * 8, sum[r][n]);
    }
}

class Int8Task {
  public:
    Int8Task(const GemmArgs& args, int64_t task)
        : args_(args),
          layout_(args.weights),
          plan_(packed_gemm_plan(args)),
          taps_(args.geometry),
          column0_(task / plan_.chunks * kPanel) {
        columns_ = smaller(kPanel, places_of(args.weights.n, args.gated) - column0_);
        vectors_ = (columns_ + kPackedVector - 1) / kPackedVector;
        pixel0_ = task % plan_.chunks * plan_.chunk;
        pixel1_ = smaller(plan_.pixels, pixel0_ + plan_.chunk);
        const auto* parts = static_cast<const char*>(args.weights.data);
        panel_ = parts + static_cast<size_t>(column0_ / kPanel) * layout_.panel;
        corrections_ = reinterpret_cast<const int32_t*>(parts + layout_.corrections) + column0_;
        scales_ = reinterpret_cast<const float*>(parts + layout_.scales);
    }

    void run() {
        const Epilogue<F32x8> epilogue(args_, column0_, columns_, scales_);
        const int64_t block = smaller(plan_.k, kWideBlock), longest = smaller(layout_.groups, block);
        auto* panel = reinterpret_cast<char*>(
            scratch(Scratch::panel, static_cast<size_t>(block * vectors_ * kPairs * kPackedVector)));
        wide_ = reinterpret_cast<int32_t*>(scratch(Scratch::rows, static_cast<size_t>(kTileRows * kPairs * longest)));
        float* sums = scratch(Scratch::sums, static_cast<size_t>(plan_.chunk * kPanel));
        for (int64_t k0 = 0; k0 < plan_.k; k0 += block) {
            const int64_t count = smaller(block, plan_.k - k0);
            taps_.cut(layout_.groups, k0, count);
            const char* from = panel_ + k0 * vectors_ * kVectorBytes;
            char* to = panel;
            for (int64_t s = 0; s < taps_.segments(); ++s) {
                const int64_t groups = taps_.counts()[s];
                widen_panel(from, groups, vectors_, to);
                from += groups * vectors_ * kVectorBytes, to += groups * vectors_ * kPairs * kVectorBytes;
            }
            for (int64_t pixel = pixel0_; pixel < pixel1_; pixel += kTileRows) {
                float* at = sums + (pixel - pixel0_) * kPanel;
                multiply(pixel, panel, k0 == 0, at);
                const int64_t end = k0 + count == plan_.k ? smaller(pixel + kTileRows, pixel1_) : pixel;
                finish(epilogue, pixel, end, at);
            }
        }
    }

  private:
    // sums[row][64] += (or =) the products of six pixels from `pixel` on; those beyond the chunk repeat its last.
    void multiply(int64_t pixel, const char* panel, bool fresh, float* sums) {
        const char* x[kMaxTaps][kTileRows];
        for (int r = 0; r < kTileRows; ++r) {
            taps_.locate(smaller(pixel + r, pixel1_ - 1), [&](int64_t segment, int64_t input, int64_t group) {
                const char* row = input < 0 ? reinterpret_cast<const char*>(zeros())
                                            : static_cast<const char*>(args_.x) + input * args_.x_stride;
                x[segment][r] = row + kScaleBytes + group * int64_t(kGroupBytes);
            });
        }
        for (int64_t s = 0; s < taps_.segments(); ++s) {
            const int64_t groups = taps_.counts()[s], before = taps_.channel(s) * int64_t(kGroupBytes) + kScaleBytes;
            float scale[kTileRows];
            for (int r = 0; r < kTileRows; ++r) {
                widen_row(x[s][r], groups, wide_ + r * groups * kPairs);
                std::memcpy(&scale[r], x[s][r] - before, sizeof(float));
            }
            // What was added to the activations is taken out once a tap: with the tap's first segment.
            const int32_t* start =
                taps_.starts_tap(s) ? corrections_ + taps_.tap(s) * layout_.channels : no_correction_;
            for (int64_t v = 0; v < vectors_; ++v, panel += groups * kPairs * kVectorBytes) {
                multiply_pairs(wide_, groups * kPairs, groups * kPairs, panel, start + v * kPackedVector,
                               whole_ + v * kPackedVector);
            }
            add_scaled(scale, fresh && s == 0, sums);
        }
    }

    // sums[row][channel] += (or =) whole_[row][channel] * scale of the row.
    ND_NOINLINE void add_scaled(const float* scale, bool fresh, float* sums) const {
        for (int64_t r = 0; r < kTileRows; ++r) {
            for (int64_t j = r * kPanel; j < r * kPanel + vectors_ * kPackedVector; j += F32x8::width) {
                const F32x8 before = fresh ? F32x8::zero() : F32x8::load(sums + j);
                F32x8::fma({_mm256_cvtepi32_ps(load(whole_ + j))}, F32x8::set(scale[r]), before).store(sums + j);
            }
        }
    }

    static ND_NOINLINE void finish(const Epilogue<F32x8>& epilogue, int64_t pixel, int64_t end, const float* sums) {
        for (; pixel < end; ++pixel, sums += kPanel)
            epilogue.write_row(pixel, [&](int64_t j) { return F32x8::load(sums + j); });
    }

    const GemmArgs& args_;
    const PackedLayout layout_;
    const GemmPlan plan_;  // k is counted in groups
    Taps taps_;
    int64_t column0_, columns_ = 0, pixel0_ = 0, pixel1_ = 0, vectors_ = 0;
    const char* panel_ = nullptr;
    const float* scales_ = nullptr;
    const int32_t* corrections_ = nullptr;
    int32_t* wide_ = nullptr;
    alignas(64) int32_t no_correction_[kPanel] = {};
    alignas(64) int32_t whole_[kTileRows * kPanel];
};

}  // namespace

void gemm_task(const GemmArgs& args, int64_t task) {
    Int8Task(args, task).run();
}

}  // namespace nd::kernels::avx2int8

#endif
