// A model on disk, whatever its format: tensors under canonical names, and the configuration that came with them.
//
// Canonical names are those of diffusers' and transformers' state dicts behind a component prefix: `unet.`, `vae.`,
// `text_encoder.` and `text_encoder_2.`, e.g. `unet.down_blocks.0.resnets.1.conv1.weight`,
// `text_encoder.text_model.final_layer_norm.bias`.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "json.hpp"
#include "native/weights/tensor_source.h"

namespace nd::weights {

class MappedFile;

// The metadata of single files.
inline constexpr const char* kConfigKey = "node-diffusion.config";
inline constexpr const char* kMergesKey = "node-diffusion.merges";

class ModelFile {
  public:
    // Opens a single file (safetensors, GGUF, PyTorch) or a diffusers folder. Reads headers only; the bytes stay
    // mapped. Throws Error FILE_NOT_FOUND, FILE_INVALID, UNSUPPORTED_TYPE or UNKNOWN_ARCHITECTURE.
    static ModelFile open(const std::string& path);
    // The same of a single file that is open already.
    static ModelFile read(MappedFile file);

    ModelFile(ModelFile&&) noexcept;
    ModelFile& operator=(ModelFile&&) noexcept;
    ~ModelFile();

    const std::string& path() const { return path_; }
    const std::string& format() const { return format_; }  // "safetensors", "gguf", "pytorch", "diffusers"
    const TensorMap& tensors() const { return tensors_; }

    // The tensor of that canonical name, or null.
    const TensorSource* find(const std::string& name) const;
    // The tensor of that canonical name; throws MISSING_TENSOR naming it, or UNSUPPORTED_TYPE where the file has it in
    // a number format that the engine cannot read.
    const TensorSource& at(const std::string& name) const;
    // Whether the file has that tensor, readable or not.
    bool has(const std::string& name) const;
    bool has_component(const std::string& prefix) const;  // "unet.", "vae.", "text_encoder.", "text_encoder_2."

    // Of the tensors that components need, but that at() refuses.
    std::vector<std::string> unreadable_names() const;

    // Keys "unet", "vae", "text_encoder", "text_encoder_2", "scheduler" (each as in diffusers' config.json),
    // "model_index" (as in diffusers' model_index.json) and "defaults", as far as the file brings them; every key is
    // there, an empty object where the file brings none.
    const nlohmann::json& config() const { return config_; }
    // The tokenizer's merges, one a line; empty where the file brings none.
    const std::string& merges() const { return merges_; }

    // Names, sizes and times of the files: another text where one of them has been written since.
    std::string fingerprint() const;

    // Throws FILE_INVALID where bytes that were read are not the files': see MappedFile.
    void check_whole() const;

    // Tells the kernel that the mapped pages are no longer needed: they can be dropped and read again.
    void release_pages() const;

  private:
    explicit ModelFile(std::string path);
    template <typename Read>
    static ModelFile guarded(const std::string& path, const Read& read);
    void read_folder();
    void read_single_file(MappedFile file);
    void take(FileContents contents);
    void check_components() const;

    std::string path_, format_, merges_;
    TensorMap tensors_;
    std::map<std::string, std::string> unreadable_;  // canonical name -> type
    nlohmann::json config_;
    std::vector<std::unique_ptr<MappedFile>> files_;
    OwnedBytes owned_;
};

}  // namespace nd::weights
