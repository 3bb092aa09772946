#include "native/weights/mapping_guard.h"

#ifdef _WIN32

namespace nd::weights {

int guard_mapping(const void*, size_t) noexcept {
    return -1;
}
void unguard_mapping(int) noexcept {}
bool lost_pages(int) noexcept {
    return false;
}

}  // namespace nd::weights

#else

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <mutex>

namespace nd::weights {

namespace {

struct Guarded {
    std::atomic<uintptr_t> begin{0}, end{0};  // end is 0 where there is none
    std::atomic<bool> lost{false};
};

std::array<Guarded, 1024> all_guarded;
std::mutex changing;
size_t in_use = 0;
bool is_installed = false;
struct sigaction before;
uintptr_t page_size = 0;

// All from the touched page on is gone with it. Only system calls and atomics: this runs inside a signal.
bool replace_pages(uintptr_t address) noexcept {
    for (Guarded& guarded : all_guarded) {
        const uintptr_t end = guarded.end.load(), page = address & ~(page_size - 1);
        if (address < guarded.begin.load() || address >= end) continue;
        const void* zeros = ::mmap(reinterpret_cast<void*>(page), end - page, PROT_READ,
                                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        if (zeros == MAP_FAILED) return false;
        guarded.lost = true;
        return true;
    }
    return false;
}

void on_bus_error(int signal, siginfo_t* info, void* context) {
    const int error = errno;
    const bool is_fault = info->si_code > 0;  // and not sent by a process
    if (!is_fault || !replace_pages(reinterpret_cast<uintptr_t>(info->si_addr))) {
        if (before.sa_flags & SA_SIGINFO) {
            before.sa_sigaction(signal, info, context);
        } else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) {
            before.sa_handler(signal);
        } else if (is_fault || before.sa_handler == SIG_DFL) {
            std::signal(signal, SIG_DFL);
            std::raise(signal);  // ends the process when this handler returns
        }
    }
    errno = error;
}

void install() noexcept {
    page_size = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
    struct sigaction action {};
    action.sa_sigaction = on_bus_error;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    is_installed = ::sigaction(SIGBUS, &action, &before) == 0;
}

// Only where nobody has put a handler over this one.
void uninstall() noexcept {
    struct sigaction now {};
    if (::sigaction(SIGBUS, nullptr, &now) != 0) return;
    if (!(now.sa_flags & SA_SIGINFO) || now.sa_sigaction != on_bus_error) return;
    if (::sigaction(SIGBUS, &before, nullptr) == 0) is_installed = false;
}

}  // namespace

int guard_mapping(const void* begin, size_t size) noexcept {
    const std::lock_guard lock(changing);
    for (size_t i = 0; i < all_guarded.size(); ++i) {
        Guarded& guarded = all_guarded[i];
        if (guarded.end.load() != 0) continue;
        if (!is_installed) install();
        if (!is_installed) return -1;
        const auto first = reinterpret_cast<uintptr_t>(begin);
        guarded.lost = false;
        guarded.begin = first;
        guarded.end = first + (size + page_size - 1) / page_size * page_size;
        in_use++;
        return static_cast<int>(i);
    }
    return -1;
}

void unguard_mapping(int guard) noexcept {
    if (guard < 0) return;
    const std::lock_guard lock(changing);
    all_guarded[static_cast<size_t>(guard)].end = 0;
    if (--in_use == 0) uninstall();
}

bool lost_pages(int guard) noexcept {
    return guard >= 0 && all_guarded[static_cast<size_t>(guard)].lost;
}

}  // namespace nd::weights

#endif
