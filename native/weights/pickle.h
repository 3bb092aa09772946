// Reads a Python pickle (protocols 2 to 5) as data. Nothing that it names is looked up, called or built: calls stay
// descriptions of calls, whose meaning the reader of a file format may know or not.
//
// Format: https://github.com/python/cpython/blob/main/Lib/pickletools.py
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace nd::weights {

class Pickle {
  public:
    using Ref = uint32_t;  // of a value of this pickle

    enum class Kind : uint8_t { None, Bool, Int, Float, Text, Bytes, List, Tuple, Set, Dict, Global, Call, Persistent };

    // Text, bytes and names point into the pickle's own bytes.
    struct Value {
        Kind kind = Kind::None;
        Ref callable = 0, arguments = 0, state = 0;  // of a Call; Persistent: `arguments` is its id; 0: none
        int64_t number = 0;                          // Bool, Int; the bits of a Float
        std::string_view text;   // Text; Bytes, of which an integer of more than 64 bits is one; a Global's module
        std::string_view name;   // of a Global
        std::vector<Ref> items;  // List, Tuple, Set; Dict: keys and values in turn; Call: what was put into its result

        double real() const { return std::bit_cast<double>(number); }
    };

    // Reads one pickle from the front of `bytes`. `what` begins the messages. Throws FILE_INVALID where it is no
    // pickle, cut off, of more than 64 MiB or 2 million values; UNSUPPORTED_TYPE where it uses what checkpoints do not.
    Pickle(std::span<const std::byte> bytes, const std::string& what);

    // Values may contain each other, and themselves.
    const Value& operator[](Ref ref) const { return values_[ref]; }
    Ref root() const { return root_; }
    size_t values() const { return values_.size(); }  // a Ref is less than this
    size_t size() const { return size_; }             // bytes read

  private:
    friend class PickleMachine;

    // A byte of the file can be a value: a deque takes no second copy of them to grow.
    std::deque<Value> values_{1};  // the first stands for none
    Ref root_ = 0;
    size_t size_ = 0;
};

}  // namespace nd::weights
