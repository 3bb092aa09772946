// Any file of tensors, whatever its format, under the file's own names: models, adapters, embeddings, upscalers.
#pragma once

#include <memory>
#include <string>

#include "native/weights/mapped_file.h"
#include "native/weights/tensor_source.h"

namespace nd::weights {

struct TensorFile {
    std::string format;                // "safetensors", "gguf" or "pytorch"
    std::unique_ptr<MappedFile> file;  // the tensors point into it, and into `contents.owned`
    FileContents contents;             // under the file's own names
};

// Tells the format by the file's first bytes and reads its headers; the tensors' bytes stay mapped. Throws Error
// FILE_NOT_FOUND, FILE_INVALID (saying what the file is instead, where that can be told), UNSUPPORTED_TYPE or
// OUT_OF_MEMORY.
TensorFile open_tensor_file(const std::string& path);
// The same of a file that is open already.
TensorFile read_tensor_file(MappedFile file);

}  // namespace nd::weights
