#include "native/backend/memory_plan.h"

#include <algorithm>
#include <random>

#include "native/test/tap.h"

using namespace nd::backend;

namespace {

size_t most_at_once(const std::vector<Lifetime>& lifetimes) {
    size_t most = 0;
    for (size_t step = 0; step < 300; step++) {
        size_t sum = 0;
        for (const auto& map : lifetimes)
            if (map.first <= step && step <= map.last) sum += (map.bytes + 63) / 64 * 64;
        most = std::max(most, sum);
    }
    return most;
}

}  // namespace

TEST("memory plan: what lives at the same time does not overlap") {
    std::mt19937 random(7);
    for (int round = 0; round < 200; round++) {
        std::vector<Lifetime> lifetimes;
        const size_t count = random() % 60;
        for (size_t i = 0; i < count; i++) {
            const size_t first = random() % 200;
            lifetimes.push_back({random() % 4 == 0 ? 0 : random() % 100000, first, first + random() % 40});
        }
        const MemoryPlan plan = plan_memory(lifetimes);
        CHECK(plan.offsets.size() == count && plan.bytes >= most_at_once(lifetimes));
        for (size_t a = 0; a < count; a++) {
            const size_t end = plan.offsets[a] + lifetimes[a].bytes;
            CHECK(plan.offsets[a] % 64 == 0 && end <= plan.bytes);
            for (size_t b = 0; b < a; b++) {
                const bool together =
                    lifetimes[a].first <= lifetimes[b].last && lifetimes[b].first <= lifetimes[a].last;
                const bool apart = end <= plan.offsets[b] || plan.offsets[b] + lifetimes[b].bytes <= plan.offsets[a];
                CHECK(apart || !together, "round ", round, ", maps ", a, " and ", b);
            }
        }
    }
}

TEST("memory plan: a chain, a skip and a large map in the middle take no more than lives at once") {
    // As a decoder's last level: a small map gives way to a large one, which a skip outlives.
    const std::vector<Lifetime> chain = {{32 << 20, 0, 1}, {128 << 20, 1, 3}, {64 << 20, 2, 6},
                                         {64 << 20, 3, 5}, {64 << 20, 5, 6},  {3 << 20, 6, 7}};
    CHECK(plan_memory(chain).bytes == most_at_once(chain), plan_memory(chain).bytes);
    CHECK(plan_memory({}).bytes == 0);
}
