// What ggml's Vulkan backend uses and headers before 1.3.272 (Debian 12's) lack: VK_EXT_layer_settings, by its
// specification. The structure is passed on to a driver, which ignores what it does not know.
#pragma once

#include_next <vulkan/vulkan.hpp>

#if VK_HEADER_VERSION < 272
#include <cstdint>
#include <vector>

namespace vk {

enum class LayerSettingTypeEXT : uint32_t { eBool32 = 0 };

struct LayerSettingEXT {
    const char* layer_name;
    const char* setting_name;
    LayerSettingTypeEXT type;
    uint32_t value_count;
    const void* values;
};

struct LayerSettingsCreateInfoEXT {
    explicit LayerSettingsCreateInfoEXT(const std::vector<LayerSettingEXT>& all)
        : setting_count(static_cast<uint32_t>(all.size())), settings(all.data()) {}

    VkStructureType type = static_cast<VkStructureType>(1000496000);
    const void* next = nullptr;
    uint32_t setting_count;
    const LayerSettingEXT* settings;
};

}  // namespace vk
#endif
