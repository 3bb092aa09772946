// The number formats that weights can be loaded in, and which of them a given row of weights takes.
#pragma once

#include <ggml.h>

#include <cstdint>
#include <optional>
#include <string>

namespace nd::weights {

// "auto" -> nothing (the file's own types); "f32", "f16", "bf16" or a quantised type's name in lower case -> that type.
// Throws INVALID_ARGUMENT listing the names.
std::optional<ggml_type> parse_precision(const std::string& name);

// Whether values can be written as `type`. Not so the i-quants that need an importance matrix, or whose search for a
// grid point asserts on unusual values.
bool can_write(ggml_type type);

// What a row of `n` values takes that should be of `wanted`: that type where the row is whole blocks and it can be
// written, else q8_0 (blocks of 32), else f16.
ggml_type fit_row(ggml_type wanted, int64_t n);

}  // namespace nd::weights
