#include "native/models/file_facts.h"

#include "native/error.h"

namespace nd::models {

int64_t dimension(const weights::ModelFile& file, const std::string& name, size_t rank, size_t axis) {
    const auto& shape = file.at(name).shape;
    if (shape.size() != rank) {
        fail("TENSOR_SHAPE", name, ": expected ", rank, " dimensions, but the file has ", shape.size());
    }
    return shape[axis];
}

void check_settings(const weights::ModelFile& file, const nlohmann::json& config, const Settings& computed) {
    for (const auto& [key, expected] : computed) {
        const auto found = config.find(key);
        if (found == config.end() || found->is_null() || *found == expected) continue;
        fail("UNKNOWN_ARCHITECTURE", file.path(), ": the configuration's ", key, " is ", found->dump(),
             ", but the engine computes ", expected.dump(), " only");
    }
}

}  // namespace nd::models
