// Large pages for large memory: fewer misses of the TLB, 5 to 10 % of a GEMM.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace nd {

constexpr size_t kHugePage = size_t{2} << 20;

// Asks for huge pages over the whole ones within `size` bytes from `data`, before they are touched. A refusal costs
// nothing.
inline void prefer_huge_pages([[maybe_unused]] void* data, [[maybe_unused]] size_t size) {
#if defined(__linux__)
    const auto begin = (reinterpret_cast<uintptr_t>(data) + kHugePage - 1) / kHugePage * kHugePage;
    const auto end = (reinterpret_cast<uintptr_t>(data) + size) / kHugePage * kHugePage;
    if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#endif
}

}  // namespace nd
