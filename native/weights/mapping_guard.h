// Keeps a mapped file that another program cuts short, or whose disk fails, from ending the process.
//
// The system then answers the touch of a page that is gone with SIGBUS. While mappings are guarded a handler puts zeros
// into the place of such pages, so that the reader goes on, and remembers that they are no longer the file's. Faults
// elsewhere go to the handler that was there before. Windows lets nobody cut a mapped file short.
#pragma once

#include <cstddef>

namespace nd::weights {

// The number of a guard over [begin, begin + size), whole pages of a read-only mapping; -1 where there are too many.
int guard_mapping(const void* begin, size_t size) noexcept;
// Before the mapping is undone.
void unguard_mapping(int guard) noexcept;
// Whether pages were lost so far.
bool lost_pages(int guard) noexcept;

}  // namespace nd::weights
