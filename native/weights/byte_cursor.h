// Reads little-endian numbers and bytes of an untrusted file one after another, never beyond their end.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "native/error.h"

namespace nd::weights {

static_assert(std::endian::native == std::endian::little, "files are read as little-endian values");

class ByteCursor {
  public:
    // `what` begins the message of every error; both must outlive the cursor.
    ByteCursor(std::span<const std::byte> bytes, const std::string& what) : bytes_(bytes), what_(what) {}

    uint64_t at() const { return at_; }
    uint64_t remaining() const { return bytes_.size() - at_; }

    template <typename... Parts>
    [[noreturn]] void invalid(Parts&&... parts) const {
        fail("FILE_INVALID", what_, ": ", std::forward<Parts>(parts)...);
    }

    // Each throws FILE_INVALID where fewer bytes are left.
    template <typename T>
    T number() {
        T value;
        std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
        return value;
    }

    std::span<const std::byte> take(uint64_t size) {
        if (size > remaining()) invalid("cut off: expected ", size, " bytes at byte ", at_, ", got ", remaining());
        const auto taken = bytes_.subspan(at_, static_cast<size_t>(size));
        at_ += size;
        return taken;
    }

    std::string_view text(uint64_t size) {
        const auto taken = take(size);
        return {reinterpret_cast<const char*>(taken.data()), taken.size()};
    }

    // Up to the next newline, which is taken too.
    std::string_view line() {
        const auto rest = bytes_.subspan(at_);
        const std::string_view all(reinterpret_cast<const char*>(rest.data()), rest.size());
        const size_t end = all.find('\n');
        if (end == std::string_view::npos) invalid("cut off: expected a line at byte ", at_);
        at_ += end + 1;
        return all.substr(0, end);
    }

  private:
    std::span<const std::byte> bytes_;
    const std::string& what_;
    uint64_t at_ = 0;
};

}  // namespace nd::weights
