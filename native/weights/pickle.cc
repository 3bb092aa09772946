// Reads a Python pickle (protocols 2 to 5) as data: a stack machine whose every step makes at most one value.
#include "native/weights/pickle.h"

#include <algorithm>
#include <array>
#include <utility>

#include "native/error.h"
#include "native/weights/byte_cursor.h"
#include "native/weights/checks.h"

namespace nd::weights {

using Kind = Pickle::Kind;
using Ref = Pickle::Ref;
using Value = Pickle::Value;

namespace {

constexpr size_t kMaxBytes = size_t{64} << 20;
constexpr size_t kMaxValues = size_t{2} << 20;  // a checkpoint has some 25 a tensor

enum Opcode : uint8_t {
    kMark = '(',
    kStop = '.',
    kPop = '0',
    kPopMark = '1',
    kDuplicate = '2',
    kBinFloat = 'G',
    kBinInt = 'J',
    kBinInt1 = 'K',
    kBinInt2 = 'M',
    kNone = 'N',
    kBinPersistent = 'Q',
    kReduce = 'R',
    kBinString = 'T',
    kShortBinString = 'U',
    kBinUnicode = 'X',
    kAppend = 'a',
    kBuild = 'b',
    kGlobal = 'c',
    kAppends = 'e',
    kBinGet = 'h',
    kLongBinGet = 'j',
    kBinPut = 'q',
    kLongBinPut = 'r',
    kSetItem = 's',
    kTuple = 't',
    kSetItems = 'u',
    kEmptyDict = '}',
    kEmptyList = ']',
    kEmptyTuple = ')',
    kBinBytes = 'B',
    kShortBinBytes = 'C',
    kProtocol = 0x80,
    kNewObject = 0x81,
    kTuple1 = 0x85,
    kTuple2 = 0x86,
    kTuple3 = 0x87,
    kTrue = 0x88,
    kFalse = 0x89,
    kLong1 = 0x8a,
    kLong4 = 0x8b,
    kShortBinUnicode = 0x8c,
    kBinUnicode8 = 0x8d,
    kBinBytes8 = 0x8e,
    kEmptySet = 0x8f,
    kAddItems = 0x90,
    kFrozenSet = 0x91,
    kNewObjectKeywords = 0x92,
    kStackGlobal = 0x93,
    kMemoize = 0x94,
    kFrame = 0x95,
    kByteArray8 = 0x96,
};

}  // namespace

class PickleMachine {
  public:
    PickleMachine(Pickle& pickle, std::span<const std::byte> bytes, const std::string& what)
        : what_(what), values_(pickle.values_), in_(bytes.first(std::min(bytes.size(), kMaxBytes)), what_) {
        if (in_.number<uint8_t>() != kProtocol) in_.invalid("expected a pickle of protocol 2 to 5");
        check_protocol();
        for (;;) {
            const auto opcode = in_.number<uint8_t>();
            if (opcode == kStop) break;
            step(opcode);
        }
        pickle.root_ = pop();
        if (!stack_.empty() || !marks_.empty()) in_.invalid("values are left over at its end");
        pickle.size_ = in_.at();
    }

  private:
    void check_protocol() {
        const auto version = in_.number<uint8_t>();
        if (version < 2 || version > 5)
            fail("UNSUPPORTED_TYPE", what_, ": expected a pickle of protocol 2 to 5, got ", static_cast<int>(version));
    }

    void step(uint8_t opcode) {
        if (!structure(opcode) && !literal(opcode) && !container(opcode) && !call(opcode)) {
            fail("UNSUPPORTED_TYPE", what_, ": instruction ", static_cast<int>(opcode), " at byte ", in_.at() - 1,
                 " is none that checkpoints need");
        }
    }

    bool structure(uint8_t opcode) {
        switch (opcode) {
            case kProtocol:
                return check_protocol(), true;
            case kFrame:
                return in_.take(8), true;  // a hint for readers of streams
            case kMark:
                return marks_.push_back(stack_.size()), true;
            case kPop:
                return pop_value_or_mark(), true;
            case kPopMark:
                return take_marked(), true;
            case kDuplicate:
                return stack_.push_back(top()), true;
            case kBinPut:
                return remember(in_.number<uint8_t>()), true;
            case kLongBinPut:
                return remember(in_.number<uint32_t>()), true;
            case kMemoize:
                return remember(next_memo_), true;
            case kBinGet:
                return recall(in_.number<uint8_t>()), true;
            case kLongBinGet:
                return recall(in_.number<uint32_t>()), true;
            default:
                return false;
        }
    }

    bool literal(uint8_t opcode) {
        switch (opcode) {
            case kNone:
                return push({}), true;
            case kTrue:
            case kFalse:
                return push_number(Kind::Bool, opcode == kTrue), true;
            case kBinInt:
                return push_number(Kind::Int, in_.number<int32_t>()), true;
            case kBinInt1:
                return push_number(Kind::Int, in_.number<uint8_t>()), true;
            case kBinInt2:
                return push_number(Kind::Int, in_.number<uint16_t>()), true;
            case kLong1:
                return push_long(in_.number<uint8_t>()), true;
            case kLong4:
                return push_long(in_.number<uint32_t>()), true;
            case kBinFloat:
                return push_float(), true;
            case kShortBinUnicode:
            case kShortBinString:  // Python 2's strings
                return push_text(Kind::Text, in_.number<uint8_t>()), true;
            case kBinUnicode:
            case kBinString:
                return push_text(Kind::Text, in_.number<uint32_t>()), true;
            case kBinUnicode8:
                return push_text(Kind::Text, in_.number<uint64_t>()), true;
            case kShortBinBytes:
                return push_text(Kind::Bytes, in_.number<uint8_t>()), true;
            case kBinBytes:
                return push_text(Kind::Bytes, in_.number<uint32_t>()), true;
            case kBinBytes8:
            case kByteArray8:
                return push_text(Kind::Bytes, in_.number<uint64_t>()), true;
            default:
                return false;
        }
    }

    bool container(uint8_t opcode) {
        switch (opcode) {
            case kEmptyList:
                return push_items(Kind::List, {}), true;
            case kEmptyDict:
                return push_items(Kind::Dict, {}), true;
            case kEmptySet:
                return push_items(Kind::Set, {}), true;
            case kEmptyTuple:
                return push_items(Kind::Tuple, {}), true;
            case kTuple1:
            case kTuple2:
            case kTuple3:
                return push_items(Kind::Tuple, take(opcode - kTuple1 + 1u)), true;
            case kTuple:
                return push_items(Kind::Tuple, take_marked()), true;
            case kFrozenSet:
                return push_items(Kind::Set, take_marked()), true;
            case kAppend:
                return add(Kind::List, take(1)), true;
            case kAppends:
                return add(Kind::List, take_marked()), true;
            case kAddItems:
                return add(Kind::Set, take_marked()), true;
            case kSetItem:
                return add(Kind::Dict, take(2)), true;
            case kSetItems:
                return add(Kind::Dict, take_marked()), true;
            default:
                return false;
        }
    }

    bool call(uint8_t opcode) {
        switch (opcode) {
            case kGlobal: {
                const std::string_view module = in_.line();
                return push_global(module, in_.line()), true;
            }
            case kStackGlobal: {
                const std::vector<Ref> names = take(2);
                if (values_[names[0]].kind != Kind::Text || values_[names[1]].kind != Kind::Text)
                    in_.invalid("a name that is no text at byte ", in_.at());
                return push_global(values_[names[0]].text, values_[names[1]].text), true;
            }
            case kReduce:
            case kNewObject: {
                const std::vector<Ref> parts = take(2);
                return push_call(parts[0], parts[1]), true;
            }
            case kNewObjectKeywords: {
                const std::vector<Ref> parts = take(3);
                return push_call(parts[0], parts[1]), true;
            }
            case kBuild: {
                const Ref state = pop();
                Value& target = values_[top()];
                if (target.kind == Kind::Call) target.state = state;  // nothing else has a state worth keeping
                return true;
            }
            case kBinPersistent: {
                Value value;
                value.kind = Kind::Persistent;
                value.arguments = pop();
                return push(std::move(value)), true;
            }
            default:
                return false;
        }
    }

    Ref top() const {
        if (stack_.empty() || (!marks_.empty() && stack_.size() <= marks_.back()))
            in_.invalid("takes a value that is not there at byte ", in_.at());
        return stack_.back();
    }

    Ref pop() {
        const Ref ref = top();
        stack_.pop_back();
        return ref;
    }

    void pop_value_or_mark() {
        if (!marks_.empty() && stack_.size() == marks_.back()) {
            marks_.pop_back();
        } else {
            pop();
        }
    }

    std::vector<Ref> take(size_t count) {
        std::vector<Ref> refs(count);
        for (size_t i = count; i > 0; --i) refs[i - 1] = pop();
        return refs;
    }

    std::vector<Ref> take_marked() {
        if (marks_.empty()) in_.invalid("takes values back to a mark that is not there at byte ", in_.at());
        const auto begin = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
        std::vector<Ref> refs(begin, stack_.end());
        stack_.erase(begin, stack_.end());
        marks_.pop_back();
        return refs;
    }

    void push(Value value) {
        if (values_.size() >= kMaxValues) in_.invalid("more than ", kMaxValues, " values");
        stack_.push_back(static_cast<Ref>(values_.size()));
        values_.push_back(std::move(value));
    }

    void push_number(Kind kind, int64_t number) {
        Value value;
        value.kind = kind;
        value.number = number;
        push(std::move(value));
    }

    void push_text(Kind kind, uint64_t size) {
        Value value;
        value.kind = kind;
        value.text = in_.text(size);
        push(std::move(value));
    }

    // Two's complement, little-endian, of any length.
    void push_long(uint64_t size) {
        if (size > sizeof(int64_t)) return push_text(Kind::Bytes, size);
        uint64_t number = 0;
        const auto bytes = in_.take(size);
        for (size_t i = 0; i < bytes.size(); ++i) number |= std::to_integer<uint64_t>(bytes[i]) << (8 * i);
        const bool negative = size > 0 && size < sizeof(int64_t) && (std::to_integer<unsigned>(bytes.back()) & 0x80u);
        if (negative) number |= ~uint64_t{0} << (8 * size);
        push_number(Kind::Int, static_cast<int64_t>(number));
    }

    // Big-endian, unlike all else.
    void push_float() {
        uint64_t bits = 0;
        for (const std::byte byte : in_.take(sizeof(double))) bits = bits << 8 | std::to_integer<uint64_t>(byte);
        push_number(Kind::Float, static_cast<int64_t>(bits));
    }

    void push_items(Kind kind, std::vector<Ref> items) {
        Value value;
        value.kind = kind;
        value.items = std::move(items);
        push(std::move(value));
    }

    void push_global(std::string_view module, std::string_view name) {
        Value value;
        value.kind = Kind::Global;
        value.text = module;
        value.name = name;
        push(std::move(value));
    }

    void push_call(Ref callable, Ref arguments) {
        Value value;
        value.kind = Kind::Call;
        value.callable = callable;
        value.arguments = arguments;
        push(std::move(value));
    }

    // To the container on top of the stack, or to what a call made, which may be a kind of list or dictionary.
    void add(Kind kind, const std::vector<Ref>& items) {
        if (kind == Kind::Dict && items.size() % 2 != 0) in_.invalid("a key without a value at byte ", in_.at());
        Value& target = values_[top()];
        if (target.kind != kind && target.kind != Kind::Call)
            in_.invalid("adds to a value that is no container at byte ", in_.at());
        target.items.insert(target.items.end(), items.begin(), items.end());
    }

    // Picklers number what they remember from 0 on; a number beyond all values would only cost memory.
    void remember(uint64_t index) {
        const Ref ref = top();
        if (index > values_.size()) in_.invalid("remembers a value as number ", index, " of ", values_.size());
        if (index >= memo_.size()) memo_.resize(index + 1);
        memo_[index] = ref;
        next_memo_ = std::max(next_memo_, index + 1);
    }

    void recall(uint64_t index) {
        if (index >= memo_.size() || memo_[index] == 0) in_.invalid("recalls a value ", index, " that it never kept");
        stack_.push_back(memo_[index]);
    }

    const std::string what_;
    std::deque<Value>& values_;
    ByteCursor in_;
    std::vector<Ref> stack_;
    std::vector<size_t> marks_;  // sizes of the stack
    std::vector<Ref> memo_;
    uint64_t next_memo_ = 0;
};

Pickle::Pickle(std::span<const std::byte> bytes, const std::string& what) {
    PickleMachine(*this, bytes, what);
}

}  // namespace nd::weights
