// Reads the tensors of a file written by PyTorch's torch.save (.ckpt, .pt, .pth, .bin), and executes nothing of it.
//
// Formats: a zip archive with data.pkl and data/<key>, since PyTorch 1.6; before that, five pickles followed by the
// storages. https://github.com/pytorch/pytorch/blob/main/torch/serialization.py
#pragma once

#include "native/weights/mapped_file.h"
#include "native/weights/tensor_source.h"

namespace nd::weights {

bool looks_like_torch(const MappedFile& file);

// Where the file has a dictionary of tensors under `state_dict`, `params_ema`, `params`, `model` or `module`, it is
// that one under its own names; else all tensors that dictionaries hold, their keys joined by dots, as in
// `string_to_param.*`. Short texts and integers beside them are metadata. Tensors point into `file`, or, where their
// values do not lie there in order, into `contents.owned`. Types other than F32, F16 and BF16, quantised and sparse
// tensors are listed as unreadable. Throws FILE_INVALID; UNSUPPORTED_TYPE for TorchScript, big-endian numbers and
// compressed archives.
FileContents read_torch(const MappedFile& file);

}  // namespace nd::weights
