// The tensors within a PyTorch file's pickle: which of its calls would make one, of what storage, type and shape.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "native/weights/pickle.h"
#include "native/weights/tensor_source.h"

namespace nd::weights {

using TorchStorages = std::map<std::string, std::span<const std::byte>, std::less<>>;  // bytes by key

struct TorchType {
    std::string_view storage;       // "FloatStorage"
    std::string_view dtype;         // "float32"
    std::string_view name;          // "F32", as in safetensors
    uint64_t bytes;                 // of a value
    std::optional<ggml_type> type;  // none: the engine cannot read it
};

struct TorchStorageId {
    std::string_view key;
    const TorchType* type;
    uint64_t count;  // values
};

// Of a persistent id. Throws FILE_INVALID where it is none of a storage.
TorchStorageId read_storage_id(const Pickle& pickle, Pickle::Ref ref, const std::string& path);

struct TorchTensor {
    TensorSource source;
    std::string unreadable;  // the name of its type, where the engine cannot read that; `source` is empty then
};

class TorchTensors {
  public:
    // All must outlive it. `path` is for messages.
    TorchTensors(const Pickle& pickle, const TorchStorages& storages, const std::string& path)
        : pickle_(pickle), storages_(storages), path_(path) {}

    bool is_tensor(Pickle::Ref ref) const;
    // Throws FILE_INVALID naming it where its storage, shape or strides cannot be. Values that do not lie in order are
    // copied in order to memory of the reader's; no more bytes than the storage has.
    TorchTensor read(Pickle::Ref ref, const std::string& name);

    OwnedBytes take_owned() { return std::move(owned_); }

  private:
    struct Call {
        std::string_view function;
        const Pickle::Value* arguments = nullptr;
    };

    Call resolve(Pickle::Ref ref) const;

    const Pickle& pickle_;
    const TorchStorages& storages_;
    const std::string& path_;
    OwnedBytes owned_;
};

}  // namespace nd::weights
