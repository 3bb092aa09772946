#include "native/weights/families.h"

namespace nd::weights {

// Distilled models (Turbo, LCM, SSD-1B, Vega, BK-SDM, KOALA) are of the family that they were distilled from: what
// their blocks lack is read from their tensors.
std::span<const Family> families() {
    static const std::vector<Family> table = {
        {"sd1", "Stable Diffusion 1", true, {}, 320, 768},
        {"sd2", "Stable Diffusion 2", true, {}, 320, 1024, 0, "v_prediction", 0.18215f, 768},
        {"sdxl", "Stable Diffusion XL", true, {}, 320, 2048, 6, "epsilon", 0.13025f, 1024},
        {"sdxl_refiner", "Stable Diffusion XL's refiner", true, {}, 384, 1280, 5, "epsilon", 0.13025f, 1024},
        {"sd3", "Stable Diffusion 3", false, {"joint_blocks.", "attn.add_k_proj."}},
        {"flux", "Flux", false, {"double_blocks.", "single_transformer_blocks."}},
        {"svd", "Stable Video Diffusion", false, {"time_mixer."}},
        {"lora", "a LoRA, which changes a model and is none itself", false, {"lora_unet_", ".lora_A."}},
        {"controlnet", "a ControlNet of several kinds in one", false, {"control_add_embedding.", "task_embedding"}},
        {"controlnet", "a ControlNet as a LoRA", false, {"lora_controlnet"}},
        {"controlnet", "a ControlNet as its difference to a model", false, {"difference"}},
        {"adapter", "a T2I-Adapter", false, {"body.0.resnets.0.block1."}},
    };
    return table;
}

const Family* find_family(int64_t base_channels, int64_t context_width, int64_t size_numbers) {
    for (const Family& family : families()) {
        if (family.is_supported && family.base_channels == base_channels && family.context_width == context_width &&
            family.size_numbers == size_numbers) {
            return &family;
        }
    }
    return nullptr;
}

const Family& usual_family(int64_t base_channels, int64_t context_width, int64_t size_numbers) {
    if (const Family* family = find_family(base_channels, context_width, size_numbers)) return *family;
    for (const Family& family : families()) {
        if (!family.is_supported || family.size_numbers != size_numbers) continue;
        if (size_numbers > 0 || family.context_width == context_width) return family;
    }
    return families().front();
}

std::string supported_families() {
    std::string text;
    for (const Family& family : families()) {
        if (family.is_supported) text += (text.empty() ? "" : ", ") + std::string(family.title);
    }
    return text;
}

}  // namespace nd::weights
