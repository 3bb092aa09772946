#include "native/backend/memory_plan.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace nd::backend {

namespace {

constexpr size_t kCacheLine = 64;

size_t in_lines(size_t bytes) {
    return (bytes + kCacheLine - 1) / kCacheLine * kCacheLine;
}

}  // namespace

MemoryPlan plan_memory(std::span<const Lifetime> lifetimes) {
    std::vector<size_t> order(lifetimes.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return lifetimes[a].bytes > lifetimes[b].bytes; });

    MemoryPlan plan{std::vector<size_t>(lifetimes.size()), 0};
    std::vector<std::pair<size_t, size_t>> taken;  // from one offset to another, while the map lives
    for (size_t i = 0; i < order.size(); i++) {
        const Lifetime& map = lifetimes[order[i]];
        taken.clear();
        for (size_t j = 0; j < i; j++) {
            const Lifetime& other = lifetimes[order[j]];
            if (other.last < map.first || other.first > map.last) continue;
            taken.emplace_back(plan.offsets[order[j]], plan.offsets[order[j]] + in_lines(other.bytes));
        }
        std::sort(taken.begin(), taken.end());
        size_t offset = 0;
        for (const auto& [begin, end] : taken) {
            if (begin >= offset + in_lines(map.bytes)) break;
            offset = std::max(offset, end);
        }
        plan.offsets[order[i]] = offset;
        plan.bytes = std::max(plan.bytes, offset + in_lines(map.bytes));
    }
    return plan;
}

}  // namespace nd::backend
