// What a LoRA adds to one tensor, row by row: the sums and products of its factors.
//
// LoRA (arXiv 2106.09685) and its convolutions, LoHa (2108.06098), LoKr (2309.14859), full differences. Weights are
// [out][taps][in]; files have [out][in][ky][kx].
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "native/weights/lora_file.h"
#include "native/weights/weight_store.h"

namespace nd::weights {

// A matrix, or one as the product a b of [rows][rank] and [rank][columns].
struct Factors {
    int64_t rows = 0, rank = 0, columns = 0;
    std::vector<float> a;  // empty: b is the matrix itself, and rank is rows
    std::vector<float> b;

    // row[i] += scale * value
    void add_row(int64_t row, float scale, float* values) const;
};

class LoraDelta {
  public:
    // Of a layer's weight, or of its bias (a vector). Throws TENSOR_SHAPE where the factors do not fit `extent`,
    // FILE_INVALID where one is missing.
    LoraDelta(const LoraFile& file, const LoraLayer& layer, const WeightStore::Extent& extent, bool bias);

    // values f32 [count][taps][in] += scale * rows [first, first + count).
    void add(int64_t first, int64_t count, float scale, float* values) const;

    // The factors [out][rank] and [rank][taps][in], scaled by neither alpha nor weight, where the change is of low
    // rank; else null.
    const Factors* low_rank() const { return kind_ == Kind::product ? &first_ : nullptr; }
    // alpha / rank
    float scale() const { return scale_; }

  private:
    enum class Kind { matrix, product, hadamard, kronecker };

    Kind kind_ = Kind::matrix;
    int64_t columns_ = 0;  // of a row: taps * in
    int64_t taps_ = 1;
    float scale_ = 1;
    Factors first_, second_;
};

// Whether a layer changes its weight, or its bias.
bool changes(const LoraLayer& layer, bool bias);

// Whether a layer's change of a weight is a product of two factors, without reading them.
bool is_low_rank(const LoraLayer& layer, bool bias);

}  // namespace nd::weights
