// What the fuzz targets share: a reader is given bytes and must end with a result or an Error, in memory in proportion
// to them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>

#include "native/error.h"
#include "native/weights/mapped_file.h"

namespace nd::fuzz {

// Sets the count of allocated bytes to zero.
void start_counting();
// The most bytes that were allocated at one time since then.
size_t most_bytes();

// `read` is called with `bytes` as a file. Anything but an Error that leaves it ends the process, as does memory beyond
// 64 KiB and `most_per_byte` bytes for each of the file's.
template <typename Read>
int run(std::span<const std::byte> bytes, const Read& read, size_t most_per_byte = 64) {
    constexpr size_t kMostAlways = size_t{1} << 16;
    if (bytes.empty()) return 0;
    start_counting();
    try {
        read(weights::MappedFile("file", bytes));
    } catch (const Error& error) {
        if (std::string(error.code()) == "OUT_OF_MEMORY") std::abort();
    }
    if (most_bytes() > kMostAlways + most_per_byte * bytes.size()) {
        std::fprintf(stderr, "%zu bytes allocated for a file of %zu bytes\n", most_bytes(), bytes.size());
        std::abort();
    }
    return 0;
}

inline std::span<const std::byte> as_bytes(const uint8_t* data, size_t size) {
    return {reinterpret_cast<const std::byte*>(data), size};
}

}  // namespace nd::fuzz

// FUZZ(bytes) { return nd::fuzz::run(bytes, ...); }
#define FUZZ(bytes)                                                           \
    static int nd_fuzz(std::span<const std::byte> bytes);                     \
    extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);  \
    extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) { \
        return nd_fuzz(nd::fuzz::as_bytes(data, size));                       \
    }                                                                         \
    static int nd_fuzz(std::span<const std::byte> bytes)
