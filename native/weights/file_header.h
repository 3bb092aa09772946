// The front of a model file that is about to be written: all that a reader needs to find its tensors.
#pragma once

#include <ggml.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace nd::weights {

struct WrittenTensor {
    std::string name;
    ggml_type type = GGML_TYPE_F32;
    std::vector<int64_t> shape;  // outermost first
    uint64_t bytes = 0;
};

struct FileHeader {
    std::string bytes;       // the tensors' bytes follow in the order of the list
    uint64_t alignment = 1;  // every tensor is followed by zeros up to a multiple of it
};

// GGUF version 3; https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
FileHeader gguf_header(const std::vector<WrittenTensor>& tensors, const std::map<std::string, std::string>& metadata);

// Of tensors that are f32, f16 or bf16; https://github.com/huggingface/safetensors#format
FileHeader safetensors_header(const std::vector<WrittenTensor>& tensors,
                              const std::map<std::string, std::string>& metadata);

}  // namespace nd::weights
