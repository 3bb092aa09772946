// One naming for all files: diffusers' and transformers' state dict names behind `unet.`, `vae.`, `text_encoder.` and
// `text_encoder_2.`.
//
// Understands the single-file names of CompVis' latent-diffusion (`model.diffusion_model.`, `first_stage_model.`,
// `cond_stage_model.` or Stable Diffusion XL's `conditioner.embedders.` with CLIP or OpenCLIP inside), diffusers' own
// names with or without the component's prefix, the names of TAESD's own files and of AutoencoderTiny (`taesd.`), and
// the attention names that diffusers' VAE and unconditional UNet had
// before 0.17 (`query`, `key`, `value`, `proj_attn`).
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "native/weights/tensor_source.h"

namespace nd::weights {

inline constexpr const char* kComponents[] = {"unet.",           "vae.",   "text_encoder.",
                                              "text_encoder_2.", "taesd.", "upscaler."};

// What a tensor of a file is called here: part `part` of `parts` equal parts along its outermost dimension.
struct CanonicalName {
    std::string name;
    int part = 0;
    int parts = 1;
    bool transposed = false;  // a matrix that the file has as [in, out]
};

class NameMap {
  public:
    // `names` are all names of one file: block numbers mean nothing without the number of blocks in a level.
    explicit NameMap(const std::vector<std::string>& names);

    // One name, three for a joined q, k, v projection, none for a tensor that no component needs.
    std::vector<CanonicalName> map(const std::string& name) const;

  private:
    std::string map_unet(std::string_view name) const;
    std::string map_vae(std::string_view name) const;
    std::string map_control(std::string_view name) const;
    std::string map_taesd(const std::string& name) const;
    std::string map_vae_stage(std::string_view stage, std::string_view name) const;

    std::string bare_prefix_;            // what a file of a single component leaves out
    bool is_control_ = false;            // a ControlNet, whose half of a UNet is `unet.` here
    const char* taesd_stage_ = nullptr;  // "encoder" or "decoder" in a file of TAESD's own
    int layers_per_block_ = 1;
    int decoder_levels_ = 0;
};

// `contents` under canonical names, both the tensors and the unreadable ones. Tensors that no component needs are left
// out. Throws UNKNOWN_ARCHITECTURE where nothing is left, or where the names are those of a family that is not
// supported (families.h); FILE_INVALID where a joined projection cannot be split, or a matrix not transposed. `path` is
// for messages.
FileContents with_canonical_names(FileContents contents, const std::string& path);

}  // namespace nd::weights
