// A task of Winograd's convolution with AVX512-BF16: the transforms of its tiles, then panel by panel the products and
// y.
#include "native/kernels/gemm/variants.h"

#if ND_X86

#include <algorithm>

#include "native/kernels/gemm/dot_avx512bf16.h"
#include "native/kernels/gemm/epilogue.h"
#include "native/kernels/gemm/packed_tile.h"
#include "native/kernels/gemm/packing.h"
#include "native/kernels/gemm/winograd.h"
#include "native/kernels/scratch.h"
#include "native/kernels/simd/bf16x32.h"

namespace nd::kernels::avx512bf16 {

namespace {

// B^T d B of sixteen channels.
ND_INLINE void transform_input(__m512 (&d)[kPositions]) {
    ND_UNROLL
    for (int j = 0; j < 4; ++j) {
        const __m512 a = d[j], b = d[4 + j], c = d[8 + j], e = d[12 + j];
        d[j] = _mm512_sub_ps(a, c);
        d[4 + j] = _mm512_add_ps(b, c);
        d[8 + j] = _mm512_sub_ps(c, b);
        d[12 + j] = _mm512_sub_ps(b, e);
    }
    ND_UNROLL
    for (int i = 0; i < kPositions; i += 4) {
        const __m512 a = d[i], b = d[i + 1], c = d[i + 2], e = d[i + 3];
        d[i] = _mm512_sub_ps(a, c);
        d[i + 1] = _mm512_add_ps(b, c);
        d[i + 2] = _mm512_sub_ps(c, b);
        d[i + 3] = _mm512_sub_ps(b, e);
    }
}

// V of one tile: from sixteen pixels of c channels to v + position * stride; of each block the even channels, then the
// odd ones.
ND_NOINLINE void transform_tile(const uint16_t* const (&pixel)[kPositions], int64_t c, uint16_t* v, int64_t stride) {
    for (int64_t k = 0; k < c; k += kWinogradBlock) {
        for (int half = 0; half < 2; ++half) {
            __m512 d[kPositions];
            ND_UNROLL
            for (int i = 0; i < kPositions; ++i) {
                const __m512i pairs = _mm512_loadu_si512(pixel[i] + k);
                d[i] = _mm512_castsi512_ps(half ? _mm512_and_si512(pairs, _mm512_set1_epi32(int(0xffff0000u)))
                                                : _mm512_slli_epi32(pairs, 16));
            }
            transform_input(d);
            uint16_t* out = v + k + half * (kWinogradBlock / 2);
            ND_UNROLL
            for (int i = 0; i < kPositions; ++i) {
                _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i * stride), as_bits(_mm512_cvtneps_pbh(d[i])));
            }
        }
    }
}

// A^T m A of sixteen channels: y's 2 x 2 pixels.
ND_INLINE void transform_output(const float* m, int64_t stride, F32x16 (&y)[4]) {
    F32x16 s[2][4];
    ND_UNROLL
    for (int j = 0; j < 4; ++j) {
        const F32x16 a = F32x16::load(m + j * stride), b = F32x16::load(m + (4 + j) * stride),
                     c = F32x16::load(m + (8 + j) * stride), d = F32x16::load(m + (12 + j) * stride);
        s[0][j] = a + b + c;
        s[1][j] = b - c - d;
    }
    ND_UNROLL
    for (int i = 0; i < 2; ++i) {
        y[2 * i] = s[i][0] + s[i][1] + s[i][2];
        y[2 * i + 1] = s[i][1] - s[i][2] - s[i][3];
    }
}

class WinogradTask {
  public:
    WinogradTask(const GemmArgs& args, int64_t task)
        : args_(args),
          g_(args.geometry),
          plan_(winograd_plan(args)),
          layout_(Packing::winograd, args.weights.n, args.weights.taps, args.weights.c),
          c_(args.weights.c) {
        const int64_t all = g_.batch * plan_.rows * plan_.columns;
        first_ = task / plan_.panel_chunks * plan_.tiles;
        count_ = std::min(plan_.tiles, all - first_);
        const int64_t chunk = task % plan_.panel_chunks;
        panel0_ = plan_.panels * chunk / plan_.panel_chunks;
        panel1_ = plan_.panels * (chunk + 1) / plan_.panel_chunks;
    }

    void run() {
        const int64_t v_stride = plan_.tiles * c_, sums_stride = plan_.tiles * kPanel;
        auto* v = reinterpret_cast<uint16_t*>(scratch(Scratch::panel, static_cast<size_t>(kPositions * v_stride) / 2));
        float* sums = scratch(Scratch::sums, static_cast<size_t>(kPositions * sums_stride));
        for (int64_t tile = 0; tile < count_; ++tile) load(first_ + tile, v + tile * c_, v_stride);
        for (int64_t panel = panel0_; panel < panel1_; ++panel) {
            const int64_t column0 = panel * kPanel, columns = std::min(kPanel, args_.weights.n - column0);
            switch ((columns + kPackedVector - 1) / kPackedVector) {
                case 1:
                    multiply<1>(panel, v, v_stride, sums, sums_stride);
                    break;
                case 2:
                    multiply<2>(panel, v, v_stride, sums, sums_stride);
                    break;
                case 3:
                    multiply<3>(panel, v, v_stride, sums, sums_stride);
                    break;
                default:
                    multiply<4>(panel, v, v_stride, sums, sums_stride);
            }
            const Epilogue<F32x16> epilogue(args_, column0, columns, nullptr);
            for (int64_t tile = 0; tile < count_; ++tile)
                store(epilogue, first_ + tile, sums + tile * kPanel, sums_stride);
        }
    }

  private:
    struct Place {
        int64_t picture, row, column;  // of a tile's first output pixel
    };

    Place place(int64_t tile) const {
        const int64_t line = tile / plan_.columns;
        return {line / plan_.rows, line % plan_.rows * 2, tile % plan_.columns * 2};
    }

    void load(int64_t tile, uint16_t* v, int64_t stride) const {
        const Place at = place(tile);
        const auto* x = static_cast<const uint16_t*>(args_.x);
        const uint16_t* pixel[kPositions];
        for (int64_t i = 0; i < 4; ++i) {
            for (int64_t j = 0; j < 4; ++j) {
                const int64_t row = at.row + i - 1, column = at.column + j - 1;
                const bool outside = row < 0 || column < 0 || row >= seen_height(g_) || column >= seen_width(g_);
                const int64_t input = (at.picture * g_.height + row / g_.upsample) * g_.width + column / g_.upsample;
                pixel[i * 4 + j] = outside ? reinterpret_cast<const uint16_t*>(zeros()) : x + input * args_.x_stride;
            }
        }
        transform_tile(pixel, c_, v, stride);
    }

    template <int N>
    void multiply(int64_t panel, const uint16_t* v, int64_t v_stride, float* sums, int64_t sums_stride) const {
        const auto* weights = static_cast<const char*>(args_.weights.data) + static_cast<size_t>(panel) * layout_.panel;
        for (int position = 0; position < kPositions; ++position, weights += layout_.groups * N * 64) {
            const uint16_t* from = v + position * v_stride;
            for (int64_t tile = 0; tile < count_; tile += kTileRows) {
                const char* x[kTileRows];
                for (int r = 0; r < kTileRows; ++r)
                    x[r] = reinterpret_cast<const char*>(from + std::min(tile + r, count_ - 1) * c_);
                packed_tile<Bf16Dot, N>(x, &layout_.groups, 1, weights, true,
                                        sums + position * sums_stride + tile * kPanel);
            }
        }
    }

    ND_NOINLINE void store(const Epilogue<F32x16>& epilogue, int64_t tile, const float* sums, int64_t stride) const {
        const Place at = place(tile);
        const int64_t pixel = (at.picture * g_.out_height + at.row) * g_.out_width + at.column;
        const bool below = at.row + 1 < g_.out_height, right = at.column + 1 < g_.out_width;
        for (int64_t j = 0; j < epilogue.columns(); j += F32x16::width) {
            F32x16 y[4];
            transform_output(sums + j, stride, y);
            epilogue.write(y[0], pixel, j);
            if (right) epilogue.write(y[1], pixel + 1, j);
            if (below) epilogue.write(y[2], pixel + g_.out_width, j);
            if (below && right) epilogue.write(y[3], pixel + g_.out_width + 1, j);
        }
    }

    const GemmArgs& args_;
    const GemmGeometry& g_;
    const WinogradPlan plan_;
    const PackedLayout layout_;
    const int64_t c_;
    int64_t first_, count_, panel0_, panel1_;
};

}  // namespace

void winograd_task(const GemmArgs& args, int64_t task) {
    WinogradTask(args, task).run();
}

}  // namespace nd::kernels::avx512bf16

#endif
