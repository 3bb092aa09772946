// The front of a model file that is about to be written: all that a reader needs to find its tensors.
#include "native/weights/file_header.h"

#include <bit>

#include "json.hpp"

namespace nd::weights {

namespace {

static_assert(std::endian::native == std::endian::little, "files are written as little-endian values");

constexpr uint32_t kGgufVersion = 3, kGgufString = 8;
constexpr uint64_t kGgufAlignment = 32, kSafetensorsAlignment = 8;

uint64_t padded(uint64_t size, uint64_t alignment) {
    return (size + alignment - 1) / alignment * alignment;
}

template <typename T>
void put(std::string& bytes, T number) {
    bytes.append(reinterpret_cast<const char*>(&number), sizeof(number));
}

void put_text(std::string& bytes, const std::string& text) {
    put(bytes, static_cast<uint64_t>(text.size()));
    bytes += text;
}

}  // namespace

FileHeader gguf_header(const std::vector<WrittenTensor>& tensors, const std::map<std::string, std::string>& metadata) {
    FileHeader header{"GGUF", kGgufAlignment};
    std::string& bytes = header.bytes;
    put(bytes, kGgufVersion);
    put(bytes, static_cast<uint64_t>(tensors.size()));
    put(bytes, static_cast<uint64_t>(metadata.size()));
    for (const auto& [key, value] : metadata) {
        put_text(bytes, key);
        put(bytes, kGgufString);
        put_text(bytes, value);
    }
    uint64_t offset = 0;
    for (const WrittenTensor& tensor : tensors) {
        put_text(bytes, tensor.name);
        const std::vector<int64_t> shape = tensor.shape.empty() ? std::vector<int64_t>{1} : tensor.shape;
        put(bytes, static_cast<uint32_t>(shape.size()));
        for (auto n = shape.rbegin(); n != shape.rend(); ++n) put(bytes, *n);  // innermost first
        put(bytes, static_cast<uint32_t>(tensor.type));
        put(bytes, offset);
        offset += padded(tensor.bytes, kGgufAlignment);
    }
    bytes.resize(padded(bytes.size(), kGgufAlignment));
    return header;
}

FileHeader safetensors_header(const std::vector<WrittenTensor>& tensors,
                              const std::map<std::string, std::string>& metadata) {
    nlohmann::json json = {{"__metadata__", metadata}};
    uint64_t offset = 0;
    for (const WrittenTensor& tensor : tensors) {
        const char* type = tensor.type == GGML_TYPE_F32 ? "F32" : tensor.type == GGML_TYPE_F16 ? "F16" : "BF16";
        json[tensor.name] = {
            {"dtype", type}, {"shape", tensor.shape}, {"data_offsets", {offset, offset + tensor.bytes}}};
        offset += tensor.bytes;
    }
    std::string text = json.dump();
    text.resize(padded(text.size(), kSafetensorsAlignment), ' ');
    FileHeader header;
    put(header.bytes, static_cast<uint64_t>(text.size()));
    header.bytes += text;
    return header;
}

}  // namespace nd::weights
