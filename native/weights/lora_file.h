// A LoRA file in memory: its tensors by the layer that they change. Many models can share one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "native/weights/tensor_source.h"

namespace nd::weights {

// What changes one layer.
struct LoraLayer {
    std::map<std::string, TensorSource> tensors;  // by role, see lora_names.h
    double scale = 1;                             // alpha / rank

    const TensorSource* find(const std::string& role) const {
        const auto found = tensors.find(role);
        return found == tensors.end() ? nullptr : &found->second;
    }
    // "lora", "loha", "lokr" or "full".
    const char* kind() const;
    int64_t rank() const;  // 0 where it has none
};

class LoraFile {
  public:
    // Reads a .safetensors or PyTorch file. Throws FILE_NOT_FOUND, FILE_INVALID, UNSUPPORTED_TYPE, or
    // UNKNOWN_ARCHITECTURE where it is no LoRA, or one of a kind that is not supported.
    explicit LoraFile(const std::string& path);
    LoraFile(const LoraFile&) = delete;
    LoraFile& operator=(const LoraFile&) = delete;

    const std::string& path() const { return path_; }
    // Differs from that of any other that was opened in this process.
    uint64_t id() const { return id_; }
    // By key, see lora_names.h.
    const std::map<std::string, LoraLayer>& layers() const { return layers_; }
    int64_t tensor_count() const { return tensor_count_; }
    // Tensors whose names tell no layer.
    const std::vector<std::string>& unknown() const { return unknown_; }
    const std::map<std::string, std::string>& metadata() const { return metadata_; }
    size_t bytes() const { return bytes_.size(); }
    // The family of the models that it was made for, as far as the file tells, for a message.
    std::string made_for() const;

  private:
    void take(const TensorMap& tensors);
    void set_scales();

    std::string path_;
    uint64_t id_;
    std::vector<std::byte> bytes_;
    std::map<std::string, LoraLayer> layers_;
    int64_t tensor_count_ = 0;
    std::vector<std::string> unknown_;
    std::map<std::string, std::string> metadata_;
};

// A tensor's values as f32. Throws FILE_INVALID where one is infinite or not a number.
std::vector<float> read_values(const TensorSource& tensor);

}  // namespace nd::weights
