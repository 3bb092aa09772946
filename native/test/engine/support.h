// What the engine's tests share: inputs, and what a call throws.
#pragma once

#include <cmath>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "native/error.h"

namespace nd::test {

inline std::vector<float> wave(int64_t size) {
    std::vector<float> values;
    for (int64_t i = 0; i < size; i++) values.push_back(std::sin(0.7f * static_cast<float>(i)));
    return values;
}

// The code of the error that leaves `call`, or "none".
inline std::string code_of(const std::function<void()>& call) {
    try {
        call();
    } catch (const nd::Error& error) {
        return error.code();
    }
    return "none";
}

}  // namespace nd::test
