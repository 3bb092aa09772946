// Fuzzes the reader of PyTorch's checkpoints: zip archives and the pickles in them.
#include "native/weights/torch_file.h"

#include "native/fuzz/target.h"

FUZZ(bytes) {
    return nd::fuzz::run(bytes, [](const auto& file) {
        if (nd::weights::looks_like_torch(file)) nd::weights::read_torch(file);
    });
}
