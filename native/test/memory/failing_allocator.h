// Replaces this program's allocations by operator new, and those of ggml's buffers, with ones that can be made to fail.
#pragma once

namespace nd::test {

// From now on allocation number `n` fails, 1 being the next one, or all from there on if `lasting`. 0: none.
void fail_allocation(long n, bool lasting);
// Whether one has failed since then.
bool allocation_failed();

}  // namespace nd::test
