// Reads the header of a GGUF file, version 2 or 3, without trusting it.
//
// ggml's own reader is not used: it asserts, which aborts the process, on an alignment of another type or an empty key,
// divides by a dimension of zero, and refuses names of 64 characters or more, which diffusers' names exceed. Format:
// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
#pragma once

#include "native/weights/mapped_file.h"
#include "native/weights/tensor_source.h"

namespace nd::weights {

bool looks_like_gguf(const MappedFile& file);

// The tensors point into `file`, which must outlive them. Throws FILE_INVALID saying what is wrong. Types that ggml
// cannot turn into floats are listed as unreadable. Of the metadata, strings are kept.
FileContents read_gguf(const MappedFile& file);

}  // namespace nd::weights
