// The number formats that weights can be loaded in, and which of them a given row of weights takes.
#pragma once

#include <ggml.h>

#include <cstdint>
#include <optional>
#include <string>

namespace nd::weights {

// "auto" -> nothing (the file's own types); "f32", "f16", "bf16" or a quantised type's name in lower case -> that type.
// Throws INVALID_ARGUMENT listing the names; `what` begins the message.
std::optional<ggml_type> parse_precision(const std::string& name, const char* what = "precision");

// Whether values can be written as `type`. Not so the i-quants that need an importance matrix, or whose search for a
// grid point asserts on unusual values.
bool can_write(ggml_type type);

// What a row of `n` values takes that should be of `wanted`: that type where the row is whole blocks and it can be
// written, else q8_0 (blocks of 32), else f16.
ggml_type fit_row(ggml_type wanted, int64_t n);

// What a tensor is to a network: the weights of a linear layer or a convolution, an embedding table, or a bias or norm.
enum class Role { Weight, Table, Vector };

// The type that a tensor of type `source` takes, in memory and in converted files, where `precision` was asked for:
// `rows` rows of `row` values, `relaid` where they do not lie so in the source. Vectors are f32; tables keep their
// type, f16 where it is quantised, unless they are large and a quantised type was asked for: then q8_0.
ggml_type stored_type(Role role, std::optional<ggml_type> precision, ggml_type source, bool relaid, int64_t rows,
                      int64_t row);

}  // namespace nd::weights
