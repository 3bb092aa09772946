// Fuzzes the reader of GGUF.
#include "native/weights/gguf.h"

#include "native/fuzz/target.h"

FUZZ(bytes) {
    return nd::fuzz::run(bytes, [](const auto& file) { nd::weights::read_gguf(file); });
}
