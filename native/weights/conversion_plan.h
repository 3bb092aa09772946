// What a tensor of a model becomes in a converted file: its type, its shape, and how its rows get there.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "native/weights/convert.h"
#include "native/weights/tensor_source.h"

namespace nd::weights {

// Tensors whose canonical names match `pattern`, in which `*` stands for any characters, take `type`.
struct ConversionRule {
    std::string pattern;
    std::optional<ggml_type> type;  // nothing: the file's own
};

struct ConversionTypes {
    std::optional<ggml_type> type;      // of all that no rule matches; nothing: the file's own
    std::vector<ConversionRule> rules;  // the first that matches counts
    bool blocks = true;                 // whether the format has quantised types
};

struct ConversionPlan {
    RowPlan rows;
    std::vector<int64_t> shape;

    uint64_t bytes() const { return rows.row_bytes() * static_cast<uint64_t>(rows.rows); }
};

bool matches(const std::string& name, const std::string& pattern);

// For the tensor of that canonical name, which must not be empty. Weights become what loading them in that precision
// would make of them (stored_type()); quantised convolutions [out, in, k, k] become [out, k * k, in], whose rows are
// whole blocks, and 1 x 1 ones [out, in]; those become [out, in, k, k] again where they are not quantised. Vectors and
// tables of positions take types of floats from rules only, and no quantised ones. Throws UNSUPPORTED_TYPE where the
// source's blocks run across rows.
ConversionPlan plan_conversion(const std::string& name, const TensorSource& source, const ConversionTypes& types);

}  // namespace nd::weights
