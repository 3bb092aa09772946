// Fuzzes the reader of PyTorch's checkpoints: zip archives and the pickles in them.
#include "native/weights/torch_file.h"

#include "native/fuzz/target.h"

FUZZ(bytes) {
    // A byte of a pickle may make a value of 80 bytes, whose number stands on a stack that doubles as it grows.
    constexpr size_t kMostPerByte = 128;
    const auto read = [](const auto& file) {
        if (nd::weights::looks_like_torch(file)) nd::weights::read_torch(file);
    };
    return nd::fuzz::run(bytes, read, kMostPerByte);
}
