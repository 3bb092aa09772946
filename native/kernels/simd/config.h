// What the kernels ask of a compiler beyond C++: unrolling, inlining and not inlining, prefetching.
#pragma once

#if defined(_MSC_VER) && !defined(__clang__)
#define ND_INLINE __forceinline
#define ND_NOINLINE __declspec(noinline)
#define ND_UNROLL
#define ND_PREFETCH(address) ((void)(address))
#else
#define ND_PREFETCH(address) __builtin_prefetch(address)
#define ND_INLINE inline __attribute__((always_inline))
#define ND_NOINLINE __attribute__((noinline))
#if defined(__clang__)
#define ND_UNROLL _Pragma("unroll")
#else
#define ND_UNROLL _Pragma("GCC unroll 16")
#endif
#endif
