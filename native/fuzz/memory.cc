// Counts what is allocated, by the hooks of AddressSanitizer.
#include <sanitizer/allocator_interface.h>

#include <algorithm>

#include "native/fuzz/target.h"

namespace nd::fuzz {

namespace {

// Signed: what was allocated before the count began may be freed after.
int64_t live = 0, most = 0;

void on_malloc(const volatile void*, size_t size) {
    live += static_cast<int64_t>(size);
    most = std::max(most, live);
}

void on_free(const volatile void* memory) {
    if (memory) live -= static_cast<int64_t>(__sanitizer_get_allocated_size(memory));
}

const int installed = __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free);

}  // namespace

void start_counting() {
    if (installed == 0) std::abort();
    live = most = 0;
}

size_t most_bytes() {
    return static_cast<size_t>(most);
}

}  // namespace nd::fuzz
