#include "native/test/memory/failing_allocator.h"

#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace nd::test {

namespace {

std::atomic<long> left{0};  // allocations to go until one fails; 0: none will
std::atomic<bool> lasting{false}, failed{false};
std::atomic<long> live{0}, most{0};  // bytes; what was allocated before the count began may be freed after

bool fails_now() {
    if (left.load(std::memory_order_relaxed) == 0) return false;
    const long now = left.fetch_sub(1) - 1;
    const bool fails = now == 0 || (now < 0 && lasting);
    if (fails) failed = true;
    if (now == 0 && !lasting) left = 0;
    return fails;
}

void* allocate(size_t size, size_t alignment) {
    if (fails_now()) return nullptr;
    if (alignment <= alignof(std::max_align_t)) return std::malloc(std::max<size_t>(size, 1));
    return std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}

void* allocate_or_throw(size_t size, size_t alignment) {
    void* memory = allocate(size, alignment);
    if (!memory) throw std::bad_alloc();
    const long now = live += static_cast<long>(malloc_usable_size(memory));
    for (long before = most; before < now && !most.compare_exchange_weak(before, now);) continue;
    return memory;
}

void release(void* memory) {
    live -= static_cast<long>(malloc_usable_size(memory));
    std::free(memory);
}

}  // namespace

void fail_allocation(long n, bool all_after) {
    left = 0;
    lasting = all_after;
    failed = false;
    left = n;
}

bool allocation_failed() {
    return failed;
}

void start_counting() {
    live = most = 0;
}

size_t most_bytes() {
    return static_cast<size_t>(most.load());
}

}  // namespace nd::test

// The array and nothrow forms call these.
void* operator new(size_t size) {
    return nd::test::allocate_or_throw(size, 1);
}
void* operator new(size_t size, std::align_val_t alignment) {
    return nd::test::allocate_or_throw(size, static_cast<size_t>(alignment));
}
void operator delete(void* memory) noexcept {
    nd::test::release(memory);
}
void operator delete(void* memory, size_t) noexcept {
    nd::test::release(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
    nd::test::release(memory);
}
void operator delete(void* memory, size_t, std::align_val_t) noexcept {
    nd::test::release(memory);
}

// What ggml takes its buffers from.
extern "C" int posix_memalign(void** result, size_t alignment, size_t size) noexcept {
    void* memory = nd::test::allocate(size, std::max(alignment, 2 * alignof(std::max_align_t)));
    if (!memory) return ENOMEM;
    *result = memory;
    return 0;
}
