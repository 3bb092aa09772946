// Where the maps of a computation lie in one memory, so that those that are needed at the same time do not overlap.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace nd::backend {

struct Lifetime {
    size_t bytes;
    size_t first, last;  // the steps at which it is made and read last
};

struct MemoryPlan {
    std::vector<size_t> offsets;  // each on a cache line
    size_t bytes = 0;
};

// The largest first, each at the lowest place that is free while it lives (greedy by size, arXiv 2001.03288).
MemoryPlan plan_memory(std::span<const Lifetime> lifetimes);

}  // namespace nd::backend
