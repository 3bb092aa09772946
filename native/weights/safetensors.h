// Reads the header of a .safetensors file: 8 bytes of length, JSON, then the tensors' bytes.
//
// Format: https://github.com/huggingface/safetensors#format
#pragma once

#include "native/weights/mapped_file.h"
#include "native/weights/tensor_source.h"

namespace nd::weights {

// Whether the file begins as a safetensors file does.
bool looks_like_safetensors(const MappedFile& file);

// The tensors point into `file`, which must outlive them. Throws FILE_INVALID saying what is wrong, with the bytes
// expected and found where the file is cut off. Types other than F32, F16 and BF16 are listed as unreadable.
FileContents read_safetensors(const MappedFile& file);

}  // namespace nd::weights
