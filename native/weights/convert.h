// Rows of weights from the type and order of a file to those of a tensor.
#pragma once

#include <ggml.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "native/weights/tensor_source.h"

namespace nd::weights {

// How the values of a source are regarded: `rows` rows, each `inner` x `taps` values as the file has them. taps > 1: a
// convolution [out][in][taps] whose rows become [taps][in]; taps == 1: rows that keep their order.
struct RowPlan {
    int64_t rows = 0;
    int64_t inner = 0;
    int64_t taps = 1;
    ggml_type type = GGML_TYPE_F32;  // of the result

    int64_t row_values() const { return inner * taps; }
    size_t row_bytes() const { return ggml_row_size(type, inner) * static_cast<size_t>(taps); }
};

// What a conversion needs in between: one a thread, kept from one call to the next, so that memory is asked for once.
struct ConvertBuffers {
    std::vector<float> values, relaid;
    std::vector<std::byte> aligned;
    std::vector<float> panel;  // for the callers of convert_rows()
};

// Writes rows [first, first + count) to `target`, which begins at row `first` and holds count * plan.row_bytes() bytes.
// Throws FILE_INVALID where a value to be quantised is infinite or not a number.
void convert_rows(const TensorSource& source, const RowPlan& plan, int64_t first, int64_t count, std::byte* target,
                  ConvertBuffers& buffers);

// Throws FILE_INVALID where a value is infinite or not a number, which cannot be quantised to the type of that name.
void check_finite(const TensorSource& source, const char* type, const float* values, size_t n);

}  // namespace nd::weights
