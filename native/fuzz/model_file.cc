// Fuzzes a model file as a whole: the renaming of its tensors, its configuration, and what a model is taken for.
#include <cstring>
#include <vector>

#include "native/engine/model_info.h"
#include "native/fuzz/target.h"

namespace {

constexpr size_t kDataBytes = size_t{1} << 20;  // of tensors, all zero
constexpr size_t kMostHeaderBytes = size_t{1} << 16;

// The input is a header alone, so that mutations meet names and shapes: of a safetensors file, whose length is written
// before it, or of a GGUF file. Zeros follow as the tensors' bytes.
std::span<const std::byte> complete(std::span<const std::byte> header) {
    static std::vector<std::byte> memory(8 + kMostHeaderBytes + kDataBytes);
    header = header.first(std::min(header.size(), kMostHeaderBytes));
    const uint64_t length = header.size();
    const size_t prefix = header[0] == std::byte{'{'} ? sizeof(length) : 0;
    std::byte* const begin = memory.data() + 8 + kMostHeaderBytes - header.size() - prefix;
    std::memcpy(begin, &length, prefix);
    std::memcpy(begin + prefix, header.data(), header.size());
    return {begin, prefix + header.size() + kDataBytes};
}

}  // namespace

FUZZ(bytes) {
    if (bytes.empty()) return 0;
    return nd::fuzz::run(complete(bytes), [](nd::weights::MappedFile file) {
        nd::engine::describe(nd::weights::ModelFile::read(std::move(file)));
    });
}
