// Reads a model folder as diffusers' save_pretrained writes it: a folder for each component, with its config.json.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "json.hpp"
#include "native/weights/mapped_file.h"
#include "native/weights/tensor_source.h"

namespace nd::weights {

struct DiffusersFolder {
    std::vector<std::unique_ptr<MappedFile>> files;  // the tensors point into them
    FileContents contents;                           // under the file's names behind `unet.`, `vae.`, `text_encoder.`
    nlohmann::json config;  // keys "unet", "vae", "text_encoder", "scheduler", as far as they are there
    std::string merges;     // of tokenizer/merges.txt, one a line, without its version line
};

// Components that are not there are left out; without any, the folder may be a UNet's or a VAE's own, with its
// config.json at the top (and scheduler_config.json beside it, as google/ddpm-* have it). Of each component's weights
// the first is taken of: one safetensors file, a list of shards (*.safetensors.index.json), both again of variant fp16,
// and all again as PyTorch's .bin. Throws FILE_INVALID naming the file, UNKNOWN_ARCHITECTURE for the folders of other
// families and for none at all.
DiffusersFolder read_diffusers_folder(const std::string& path);

}  // namespace nd::weights
