// Checks of what a call brings, which throw INVALID_ARGUMENT, and names of what was built for it.
#pragma once

#include <initializer_list>
#include <string>

#include "native/engine/engine.h"
#include "native/error.h"

namespace nd::engine {

inline void check_size(const char* what, size_t got, int64_t wanted) {
    if (wanted < 0 || got != static_cast<size_t>(wanted)) {
        fail("INVALID_ARGUMENT", what, ": expected ", wanted, " values, but got ", got);
    }
}

inline void check_rows(int64_t rows) {
    if (rows <= 0 || rows > 4096) fail("INVALID_ARGUMENT", "rows: expected 1 to 4096, but got ", rows);
}

inline void check_shape(const char* what, const Shape& shape, int64_t channels, int64_t multiple) {
    constexpr int64_t kMaxSide = 16384;
    const bool fits = shape.n > 0 && shape.n <= 1024 && shape.channels == channels && shape.height > 0 &&
                      shape.width > 0 && shape.height <= kMaxSide && shape.width <= kMaxSide &&
                      shape.height % multiple == 0 && shape.width % multiple == 0;
    if (!fits) {
        fail("INVALID_ARGUMENT", what, ": expected [n, ", channels, ", height, width] with sides up to ", kMaxSide,
             " that are multiples of ", multiple, ", but got [", shape.n, ", ", shape.channels, ", ", shape.height,
             ", ", shape.width, "]");
    }
}

[[noreturn]] inline void missing(const char* component) {
    fail("MISSING_COMPONENT", "the model has no ", component, ", which this call needs");
}

inline std::string shape_key(const char* name, std::initializer_list<int64_t> extents) {
    std::string key = name;
    for (const int64_t extent : extents) key.append(" ").append(std::to_string(extent));
    return key;
}

}  // namespace nd::engine
