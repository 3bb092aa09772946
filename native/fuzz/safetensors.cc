// Fuzzes the reader of safetensors.
#include "native/weights/safetensors.h"

#include "native/fuzz/target.h"

FUZZ(bytes) {
    return nd::fuzz::run(bytes, [](const auto& file) { nd::weights::read_safetensors(file); });
}
