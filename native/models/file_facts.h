// What the detect functions share that tell a network's sizes from a file.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "native/weights/model_file.h"

namespace nd::models {

// The dimension of a tensor's shape. Throws TENSOR_SHAPE for another rank, and where there is no such tensor.
int64_t dimension(const weights::ModelFile& file, const std::string& name, size_t rank, size_t axis);

using Settings = std::vector<std::pair<const char*, nlohmann::json>>;

// Throws UNKNOWN_ARCHITECTURE where a configuration asks for another computation than the engine's.
void check_settings(const weights::ModelFile& file, const nlohmann::json& config, const Settings& computed);

}  // namespace nd::models
