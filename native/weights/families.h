// The one table of families of models: what each is called, what tells it, and what is usual for it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace nd::weights {

// A family that is supported is told by the shapes of its UNet; the others by their tensors' names, to be refused by
// name. Where a file's configuration says otherwise than a default here, the configuration holds.
struct Family {
    const char* id;     // what a model's `family` says
    const char* title;  // for messages
    bool is_supported;
    // Anywhere in a tensor's name; for those that are not supported.
    std::vector<std::string_view> signs;
    int64_t base_channels = 0;  // of the UNet's finest level
    int64_t context_width = 0;  // of the text that its cross-attentions read
    int64_t size_numbers = 0;   // of the picture, which its addition embedding takes beside the pooled text; 0: none
    const char* prediction = "epsilon";
    float scaling_factor = 0.18215f;  // of the VAE's latents
    int64_t picture_size = 512;       // side in pixels
};

// Of the first supported one that fits; size_numbers tells more than widths do.
std::span<const Family> families();

// The family of a UNet of these shapes; null where it is another size of the same architecture.
const Family* find_family(int64_t base_channels, int64_t context_width, int64_t size_numbers);

// What is usual for a UNet of any size: the family of its shapes, else that of its kind.
const Family& usual_family(int64_t base_channels, int64_t context_width, int64_t size_numbers);

// "Stable Diffusion 1, ...", for messages.
std::string supported_families();

}  // namespace nd::weights
