// All tensors of a small file as f32, for what is made of them elsewhere: embeddings of words.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace nd::weights {

struct SmallTensors {
    struct Tensor {
        std::vector<int64_t> shape;
        std::vector<float> values;
    };
    std::map<std::string, Tensor> tensors;
    std::map<std::string, std::string> metadata;
};

// Reads a .safetensors or PyTorch file of at most 64 Mi values. Throws FILE_NOT_FOUND, FILE_INVALID, also where a value
// is infinite or not a number, or UNSUPPORTED_TYPE.
SmallTensors read_small_tensors(const std::string& path);

}  // namespace nd::weights
