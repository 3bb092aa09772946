// Any file of tensors, whatever its format, under the file's own names.
#include "native/weights/tensor_file.h"

#include <algorithm>
#include <string_view>

#include "native/error.h"
#include "native/weights/checks.h"
#include "native/weights/gguf.h"
#include "native/weights/safetensors.h"
#include "native/weights/torch_file.h"

namespace nd::weights {

namespace {

std::string_view front(const MappedFile& file, size_t begin, size_t size) {
    const auto bytes = file.bytes();
    begin = std::min(begin, bytes.size());
    return {reinterpret_cast<const char*>(bytes.data()) + begin, std::min(size, bytes.size() - begin)};
}

// Says what a file is that holds no tensors we can read, and what to do about it.
[[noreturn]] void refuse(const MappedFile& file) {
    const std::string& path = file.path();
    constexpr size_t kTarMagicAt = 257;
    if (front(file, kTarMagicAt, 5) == "ustar") {
        fail("UNSUPPORTED_TYPE", path,
             ": a tar archive, as PyTorch wrote before version 0.1.10: load it and save it again with a newer one");
    }
    if (front(file, 0, 1) == "\x80") {
        fail("FILE_INVALID", path, ": a Python pickle, but none that torch.save wrote: it holds no tensors");
    }
    if (front(file, 0, 23) == "version https://git-lfs") {
        fail("FILE_INVALID", path, ": this is a Git LFS pointer, not the model itself: fetch it with `git lfs pull`");
    }
    fail("FILE_INVALID", path, ": expected a .safetensors, .gguf or PyTorch (.ckpt, .pt, .bin) file, got ",
         file.bytes().size(), " bytes that begin with '", printable(front(file, 0, 16)), "'");
}

}  // namespace

TensorFile open_tensor_file(const std::string& path) {
    return read_tensor_file(MappedFile(path));
}

TensorFile read_tensor_file(MappedFile mapped) {
    TensorFile opened;
    opened.file = std::make_unique<MappedFile>(std::move(mapped));
    const MappedFile& file = *opened.file;
    const std::string& path = file.path();
    try {
        if (looks_like_gguf(file)) {
            opened.format = "gguf";
            opened.contents = read_gguf(file);
        } else if (looks_like_torch(file)) {
            opened.format = "pytorch";
            opened.contents = read_torch(file);
        } else if (looks_like_safetensors(file)) {
            opened.format = "safetensors";
            opened.contents = read_safetensors(file);
        } else {
            refuse(file);
        }
    } catch (const Error&) {
        throw;
    } catch (const std::bad_alloc&) {
        fail("OUT_OF_MEMORY", path, ": the header needs more memory than there is");
    } catch (const std::exception& error) {
        fail("FILE_INVALID", path, ": ", printable(error.what()));
    }
    return opened;
}

}  // namespace nd::weights
