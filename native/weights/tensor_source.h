// A tensor as it lies in a file: its name, type, shape and bytes, not yet loaded; and all that a file brings.
#pragma once

#include <ggml.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace nd::weights {

struct TensorSource {
    ggml_type type = GGML_TYPE_F32;
    std::vector<int64_t> shape;                                     // outermost first, as PyTorch prints it
    const std::byte* data = nullptr;                                // of any alignment
    size_t size = 0;                                                // bytes
    std::string file_name;                                          // what the file calls it, for messages
    std::shared_ptr<const std::vector<std::byte>> owned = nullptr;  // what `data` points to where it is not the file
};

using TensorMap = std::map<std::string, TensorSource>;

// Bytes that tensors point into, beside those of the mapped file.
using OwnedBytes = std::vector<std::shared_ptr<const std::vector<std::byte>>>;

// What a reader of one format finds in a file, under the file's own names. Every TensorSource has been checked: its
// shape holds no negative number and does not overflow, its rows are whole blocks, its bytes lie in the file and are as
// many as its shape and type say.
struct FileContents {
    TensorMap tensors;
    std::map<std::string, std::string> unreadable;  // tensor name -> the name of its type, which the engine cannot read
    std::map<std::string, std::string> metadata;
    OwnedBytes owned;  // of tensors whose values do not lie in order in the file
};

}  // namespace nd::weights
