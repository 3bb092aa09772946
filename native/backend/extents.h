// The sides of a graph's tensors, checked before ggml sees them: it would end the process.
#pragma once

#include <array>
#include <cstdint>

#include "native/error.h"

namespace nd::backend {

using Extents = std::array<int64_t, 4>;  // in ggml's order: the innermost dimension first

inline void check_count(size_t count, size_t most, const char* what) {
    if (count >= most) fail("UNKNOWN_ARCHITECTURE", "the network has more than ", most, " ", what);
}

inline void check_extents(const Extents& ne) {
    constexpr int64_t kMaxElements = int64_t{1} << 42;  // of a tensor, so that no sum of sizes can overflow
    int64_t elements = 1;
    for (const int64_t extent : ne) {
        if (extent < 1) fail("INVALID_ARGUMENT", "a map of the network would have a side of ", extent);
        if (extent > kMaxElements / elements) {
            fail("OUT_OF_MEMORY", "a map of the network would have ", ne[0], " x ", ne[1], " x ", ne[2], " x ", ne[3],
                 " values");
        }
        elements *= extent;
    }
}

}  // namespace nd::backend
