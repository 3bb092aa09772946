#include "native/kernels/scratch.h"

#include <cstdlib>
#include <new>

#include "native/error.h"
#include "native/huge_pages.h"

namespace nd::kernels {

namespace {

constexpr size_t kLimit = size_t(1) << 36;  // floats: no task wants a hundredth of it
constexpr std::align_val_t kHugeAlignment{kHugePage};
constexpr std::align_val_t kAlignment{64};

class Buffer {
  public:
    Buffer() = default;
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    ~Buffer() { release(); }

    float* get(size_t floats) {
        if (floats > floats_) grow(floats);
        return data_;
    }

  private:
    void grow(size_t floats) {
        release();
        if (floats > kLimit) fail("OUT_OF_MEMORY", "scratch memory of a kernel: ", floats, " floats are too many");
        size_t bytes = (floats * sizeof(float) + 4095) / 4096 * 4096;
        const bool huge = bytes >= kHugePage / 8;
        if (huge) bytes = (bytes + kHugePage - 1) / kHugePage * kHugePage;
        alignment_ = huge ? kHugeAlignment : kAlignment;
        data_ = static_cast<float*>(::operator new(bytes, alignment_, std::nothrow));
        if (!data_) fail("OUT_OF_MEMORY", "scratch memory of a kernel: could not allocate ", bytes, " bytes");
        if (huge) prefer_huge_pages(data_, bytes);
        floats_ = bytes / sizeof(float);
    }

    void release() {
        if (data_) ::operator delete(data_, alignment_);
        data_ = nullptr;
        floats_ = 0;
    }

    float* data_ = nullptr;
    size_t floats_ = 0;
    std::align_val_t alignment_ = kAlignment;
};

}  // namespace

float* scratch(Scratch purpose, size_t floats) {
    thread_local Buffer buffers[static_cast<int>(Scratch::count)];
    return buffers[static_cast<int>(purpose)].get(floats);
}

const float* zeros() {
    alignas(64) static float row[kZeros];
    return row;
}

}  // namespace nd::kernels
