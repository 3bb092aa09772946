// What a UNet's attention leaves out on purpose, so that guidance can steer away from what it then predicts.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

namespace nd::models {

struct Perturbation {
    enum class Kind {
        none,
        identity,  // every pixel attends to itself alone: self-attention gives its values (arXiv 2403.17377)
        skip,      // the transformer's blocks are left out, text and all: skip-layer guidance
    };

    Kind kind = Kind::none;
    std::vector<std::string> blocks;  // "mid", "down.0", "up.0" ..., numbered in the order of computation

    Kind at(const std::string& block) const {
        return std::find(blocks.begin(), blocks.end(), block) == blocks.end() ? Kind::none : kind;
    }
};

}  // namespace nd::models
