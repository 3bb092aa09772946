// Replaces this program's allocations by operator new, and those of ggml's buffers, with ones that are counted and can
// be made to fail.
#pragma once

#include <cstddef>

namespace nd::test {

// From now on allocation number `n` fails, 1 being the next one, or all from there on if `lasting`. 0: none.
void fail_allocation(long n, bool lasting);
// Whether one has failed since then.
bool allocation_failed();

// Sets the count of allocated bytes to zero.
void start_counting();
// The most bytes that operator new held at one time since then, as malloc rounds them.
size_t most_bytes();

}  // namespace nd::test
