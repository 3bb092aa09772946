#include "native/weights/lora_file.h"

#include <atomic>
#include <cmath>
#include <cstring>
#include <utility>

#include "native/error.h"
#include "native/weights/checks.h"
#include "native/weights/lora_names.h"
#include "native/weights/tensor_file.h"

namespace nd::weights {

namespace {

std::atomic<uint64_t> next_id{1};

// What peft's settings say of a component's scale: lora_alpha / r; 0 where they say nothing.
double settings_scale(const nlohmann::json& settings, const std::string& component, int64_t rank,
                      const std::string& path) {
    const auto number = [&](const char* name) {
        const auto found = settings.find(component + "." + name);
        return found != settings.end() && found->is_number() ? found->get<double>() : 0.0;
    };
    const auto set = [&](const char* name) {
        const auto found = settings.find(component + "." + name);
        return found != settings.end() && ((found->is_object() && !found->empty()) || *found == true);
    };
    for (const char* name : {"alpha_pattern", "use_rslora", "use_dora"}) {
        if (set(name)) fail("UNKNOWN_ARCHITECTURE", path, ": expected a plain LoRA, but its settings have ", name);
    }
    return rank > 0 ? number("lora_alpha") / static_cast<double>(rank) : 0;
}

}  // namespace

const char* LoraLayer::kind() const {
    if (find("hada_w1_a")) return "loha";
    if (find("lokr_w1") || find("lokr_w1_a") || find("lokr_w2") || find("lokr_w2_a")) return "lokr";
    return find("down") || find("up") ? "lora" : "full";
}

int64_t LoraLayer::rank() const {
    for (const char* role : {"down", "hada_w1_b", "lokr_w2_b", "lokr_w1_b"}) {
        const TensorSource* factor = find(role);
        if (factor && !factor->shape.empty()) return factor->shape[0];
    }
    return 0;
}

LoraFile::LoraFile(const std::string& path) : path_(path), id_(next_id++) {
    const TensorFile file = open_tensor_file(path);
    const FileContents& contents = file.contents;
    metadata_ = contents.metadata;
    tensor_count_ = static_cast<int64_t>(contents.tensors.size() + contents.unreadable.size());
    for (const auto& [name, type] : contents.unreadable) {
        if (!parse_lora_name(name, path)) continue;
        fail("UNSUPPORTED_TYPE", path, ": tensor ", printable(name), " is stored as ", type,
             ": expected F32, F16 or BF16");
    }
    take(contents.tensors);
    file.file->check_whole();
    if (layers_.empty()) {
        const std::string example = unknown_.empty() ? "" : ", e.g. " + printable(unknown_.front());
        fail("UNKNOWN_ARCHITECTURE", path, ": expected a LoRA (tensors such as lora_unet_....lora_down.weight), got ",
             tensor_count_, " tensors", example);
    }
    set_scales();
}

// Copied: the file may be cut short or written over later.
void LoraFile::take(const TensorMap& tensors) {
    size_t total = 0, at = 0;
    for (const auto& [name, tensor] : tensors) total += tensor.size;
    bytes_.resize(total);
    for (const auto& [name, tensor] : tensors) {
        const std::optional<LoraName> parsed = parse_lora_name(name, path_);
        if (!parsed) {
            unknown_.push_back(name);
            continue;
        }
        TensorSource own = tensor;
        std::memcpy(bytes_.data() + at, tensor.data, tensor.size);
        own.data = bytes_.data() + at;
        at += tensor.size;
        if (!layers_[parsed->layer].tensors.emplace(parsed->role, std::move(own)).second) {
            fail("FILE_INVALID", path_, ": tensor ", printable(name), ": another one is of the same layer and kind");
        }
    }
}

void LoraFile::set_scales() {
    const auto found = metadata_.find("lora_adapter_metadata");
    const nlohmann::json settings = found == metadata_.end()
                                        ? nlohmann::json::object()
                                        : parse_object(found->second, path_ + ": metadata lora_adapter_metadata");
    for (auto& [key, layer] : layers_) {
        const int64_t rank = layer.rank();
        const TensorSource* alpha = layer.find("alpha");
        if (alpha && element_count(alpha->shape) != 1) {
            fail("FILE_INVALID", path_, ": tensor ", printable(alpha->file_name), ": expected one value, got ",
                 shape_text(alpha->shape));
        }
        const std::string component = key.starts_with("unet_")             ? "unet"
                                      : key.starts_with("text_encoder_2_") ? "text_encoder_2"
                                                                           : "text_encoder";
        if (alpha && rank > 0) {
            layer.scale = static_cast<double>(read_values(*alpha)[0]) / static_cast<double>(rank);
        } else if (const double scale = settings_scale(settings, component, rank, path_); scale > 0) {
            layer.scale = scale;
        }
    }
}

std::string LoraFile::made_for() const {
    for (const char* key : {"ss_base_model_version", "modelspec.architecture"}) {
        const auto found = metadata_.find(key);
        if (found != metadata_.end() && !found->second.empty()) return printable(found->second);
    }
    for (const auto& [key, layer] : layers_) {
        if (key.find("double_blocks") != std::string::npos) return "Flux";
        if (key.find("joint_") != std::string::npos) return "Stable Diffusion 3";
        // The width of the text that cross-attention reads.
        const TensorSource* down = layer.find("down");
        if (!down || down->shape.size() < 2 || !key.ends_with("attn2_to_k")) continue;
        const int64_t width = down->shape[1];
        if (width == 768) return "Stable Diffusion 1";
        if (width == 1024) return "Stable Diffusion 2";
        if (width == 2048) return "Stable Diffusion XL";
    }
    return "";
}

std::vector<float> read_values(const TensorSource& tensor) {
    const auto count = static_cast<size_t>(element_count(tensor.shape).value_or(0));
    std::vector<float> values(count);
    if (tensor.type == GGML_TYPE_F32) {
        std::memcpy(values.data(), tensor.data, count * sizeof(float));
    } else {
        const std::vector<std::byte> aligned(tensor.data, tensor.data + tensor.size);
        ggml_get_type_traits(tensor.type)->to_float(aligned.data(), values.data(), static_cast<int64_t>(count));
    }
    for (const float value : values) {
        if (std::isfinite(value)) continue;
        fail("FILE_INVALID", "tensor ", printable(tensor.file_name), ": expected finite values, got ", value);
    }
    return values;
}

}  // namespace nd::weights
