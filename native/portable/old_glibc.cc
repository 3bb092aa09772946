// Lets an addon that was linked on a new glibc load on glibc 2.28, the oldest that Node's own binaries accept: the few
// newer symbols that our code, ggml's backends and the static libstdc++ ask for are taken under their oldest version,
// or replaced.
// Linked into prebuilds only (ND_STATIC_RUNTIME); CMakeLists.txt wraps each name below, and scripts/check-prebuild.cjs
// finds any other newer symbol.
#include <fcntl.h>
#include <pthread.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

// The version of glibc in which the architecture came to it: its symbols stay for ever.
#if defined(__x86_64__)
#define ND_OLDEST "GLIBC_2.2.5"
#elif defined(__aarch64__)
#define ND_OLDEST "GLIBC_2.17"
#else
#error "which glibc was the first on this architecture?"
#endif

#define ND_OLD(result, name, parameters, arguments)           \
    __asm__(".symver nd_old_" #name "," #name "@" ND_OLDEST); \
    result nd_old_##name parameters;                          \
    result __wrap_##name parameters { return nd_old_##name arguments; }

extern "C" {

// New in 2.29: without their wrappers that set errno. Same values.
ND_OLD(double, exp, (double x), (x))
ND_OLD(double, log2, (double x), (x))

// New in 2.34: moved from libpthread, which Node itself loads on older systems.
ND_OLD(int, pthread_create, (pthread_t * thread, const pthread_attr_t* attr, void* (*run)(void*), void* data),
       (thread, attr, run, data))
ND_OLD(int, pthread_detach, (pthread_t thread), (thread))
ND_OLD(int, pthread_join, (pthread_t thread, void** result), (thread, result))
ND_OLD(int, pthread_once, (pthread_once_t * once, void (*run)()), (once, run))
ND_OLD(int, __pthread_key_create, (pthread_key_t * key, void (*destroy)(void*)), (key, destroy))
ND_OLD(int, pthread_rwlock_rdlock, (pthread_rwlock_t * lock), (lock))
ND_OLD(int, pthread_rwlock_wrlock, (pthread_rwlock_t * lock), (lock))
ND_OLD(int, pthread_rwlock_unlock, (pthread_rwlock_t * lock), (lock))

// New in 2.33: functions of their own, once inline around others. On 64 bits the kernel's struct is glibc's.
int __wrap_stat(const char* file, struct stat* out) {
    return static_cast<int>(syscall(SYS_newfstatat, AT_FDCWD, file, out, 0));
}
int __wrap_fstat(int descriptor, struct stat* out) {
    return static_cast<int>(syscall(SYS_fstat, descriptor, out));
}

// New in 2.36: std::random_device asks for it.
uint32_t __wrap_arc4random() {
    uint32_t value = 0;
    while (getrandom(&value, sizeof(value), 0) < 0 && errno == EINTR) {
    }
    return value;
}

// New in 2.32: true would let reference counts skip their atomics; false is always right.
__attribute__((visibility("hidden"))) char __libc_single_threaded = 0;
}
