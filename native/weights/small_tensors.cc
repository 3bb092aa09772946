#include "native/weights/small_tensors.h"

#include "native/error.h"
#include "native/weights/checks.h"
#include "native/weights/lora_file.h"
#include "native/weights/tensor_file.h"

namespace nd::weights {

SmallTensors read_small_tensors(const std::string& path) {
    constexpr uint64_t kMostValues = uint64_t{1} << 26;
    TensorFile file = open_tensor_file(path);
    FileContents& contents = file.contents;
    for (const auto& [name, type] : contents.unreadable) {
        fail("UNSUPPORTED_TYPE", path, ": tensor ", printable(name), " is stored as ", type,
             ": expected F32, F16 or BF16");
    }
    SmallTensors result;
    result.metadata = std::move(contents.metadata);
    uint64_t total = 0;
    for (const auto& [name, tensor] : contents.tensors) {
        total += element_count(tensor.shape).value_or(kMostValues + 1);
        if (total > kMostValues) fail("FILE_INVALID", path, ": expected at most ", kMostValues, " values");
        result.tensors[name] = {tensor.shape, read_values(tensor)};
    }
    file.file->check_whole();
    return result;
}

}  // namespace nd::weights
