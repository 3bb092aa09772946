// What all readers of untrusted files share: JSON without surprises, and values fit for a message.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "json.hpp"
#include "native/weights/tensor_source.h"

namespace nd::weights {

// Parses `text`; throws FILE_INVALID that begins with `what` where it is no JSON object, or nested deeper than 64
// levels.
nlohmann::json parse_object(std::string_view text, const std::string& what);

// `text` with everything but printable ASCII replaced by '?', at most 100 characters long.
std::string printable(std::string_view text);

// "[320, 4, 3, 3]"
std::string shape_text(const std::vector<int64_t>& shape);

// The product of `shape`; nothing where a number is negative or the product exceeds 2^62.
std::optional<uint64_t> element_count(const std::vector<int64_t>& shape);

// Throws FILE_INVALID where two tensors of the file share bytes.
void check_no_overlap(const TensorMap& tensors, const std::string& path);

}  // namespace nd::weights
