// Reads the header of a GGUF file, version 2 or 3, without trusting it.
#include "native/weights/gguf.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

#include "native/error.h"
#include "native/weights/checks.h"

namespace nd::weights {

namespace {

static_assert(std::endian::native == std::endian::little, "GGUF is read as little-endian values");

enum ValueType : uint32_t {
    kUint8,
    kInt8,
    kUint16,
    kInt16,
    kUint32,
    kInt32,
    kFloat32,
    kBool,
    kString,
    kArray,
    kUint64,
    kInt64,
    kFloat64
};

constexpr size_t kMaxNameBytes = 65535;
constexpr size_t kMaxStringBytes = 64u << 20;
constexpr uint32_t kMaxDims = 4;

// Bytes of a value of fixed size; 0 for strings, arrays and unknown types.
uint64_t fixed_size(uint32_t type) {
    switch (type) {
        case kUint8:
        case kInt8:
        case kBool:
            return 1;
        case kUint16:
        case kInt16:
            return 2;
        case kUint32:
        case kInt32:
        case kFloat32:
            return 4;
        case kUint64:
        case kInt64:
        case kFloat64:
            return 8;
        default:
            return 0;
    }
}

class Reader {
  public:
    explicit Reader(const MappedFile& file) : file_(file), bytes_(file.bytes()) {}

    FileContents read() {
        read_counts();
        for (uint64_t i = 0; i < value_count_; ++i) read_value();
        struct Placed {
            TensorSource tensor;
            uint64_t offset;
        };
        std::vector<Placed> placed;
        for (uint64_t i = 0; i < tensor_count_; ++i) {
            uint64_t offset = 0;
            TensorSource tensor = read_tensor(offset);
            placed.push_back({std::move(tensor), offset});
        }
        const uint64_t data_start = (at_ + alignment_ - 1) / alignment_ * alignment_;
        TensorMap all;
        for (Placed& p : placed) {
            place(p.tensor, p.offset, data_start);
            const std::string name = p.tensor.file_name;
            if (!all.emplace(name, std::move(p.tensor)).second) invalid("two tensors are named ", printable(name));
        }
        check_no_overlap(all, file_.path());
        for (auto& [name, tensor] : all) {
            if (tensor.type == GGML_TYPE_F32 || ggml_get_type_traits(tensor.type)->to_float != nullptr) {
                contents_.tensors.emplace(name, std::move(tensor));
            } else {
                contents_.unreadable.emplace(name, ggml_type_name(tensor.type));
            }
        }
        return std::move(contents_);
    }

  private:
    template <typename... Parts>
    [[noreturn]] void invalid(Parts&&... parts) const {
        fail("FILE_INVALID", file_.path(), ": ", std::forward<Parts>(parts)...);
    }

    uint64_t remaining() const { return bytes_.size() - at_; }

    void need(uint64_t size, std::string_view what) const {
        if (size > remaining()) {
            invalid("the file is cut off: expected ", size, " bytes of ", what, " at byte ", at_, ", got ",
                    remaining());
        }
    }

    template <typename T>
    T number(std::string_view what) {
        need(sizeof(T), what);
        T value;
        std::memcpy(&value, bytes_.data() + at_, sizeof(T));
        at_ += sizeof(T);
        return value;
    }

    std::string_view text(std::string_view what, uint64_t limit) {
        const uint64_t length = number<uint64_t>(what);
        if (length > limit) invalid("a ", what, " claims ", length, " bytes, more than the limit of ", limit);
        need(length, what);
        const std::string_view value(reinterpret_cast<const char*>(bytes_.data()) + at_, static_cast<size_t>(length));
        at_ += length;
        return value;
    }

    void read_counts() {
        number<uint32_t>("magic");
        const uint32_t version = number<uint32_t>("version");
        if (version != 2 && version != 3) {
            invalid("expected GGUF version 2 or 3, got ", version,
                    (version & 0xffff) == 0 ? " (a big-endian file?)" : "");
        }
        tensor_count_ = number<uint64_t>("tensor count");
        value_count_ = number<uint64_t>("metadata count");
        // The least that a tensor and a metadata value can take: the counts bound the loops and memory that follow.
        if (tensor_count_ > remaining() / 24)
            invalid("claims ", tensor_count_, " tensors, more than its bytes can describe");
        if (value_count_ > remaining() / 13)
            invalid("claims ", value_count_, " metadata values, more than its bytes can hold");
    }

    void read_value() {
        const std::string key(text("metadata key", kMaxNameBytes));
        const uint32_t type = number<uint32_t>("metadata type");
        if (type == kString) {
            contents_.metadata[key] = std::string(text("metadata string", kMaxStringBytes));
        } else if (type == kArray) {
            skip_array(key);
        } else if (key == "general.alignment") {
            if (type != kUint32) invalid("expected general.alignment to be a uint32, got metadata type ", type);
            alignment_ = number<uint32_t>(key);
            if (!std::has_single_bit(alignment_))
                invalid("expected general.alignment to be a power of two, got ", alignment_);
        } else {
            skip_fixed(key, type, 1);
        }
    }

    void skip_fixed(const std::string& key, uint32_t type, uint64_t count) {
        const uint64_t size = fixed_size(type);
        if (size == 0) invalid("metadata ", printable(key), " has the unknown type ", type);
        if (count > remaining() / size) {
            invalid("the file is cut off: metadata ", printable(key), " claims ", count, " values of ", size,
                    " bytes, but ", remaining(), " bytes are left");
        }
        at_ += count * size;
    }

    void skip_array(const std::string& key) {
        const uint32_t type = number<uint32_t>("array type");
        const uint64_t count = number<uint64_t>("array length");
        if (type != kString) return skip_fixed(key, type, count);
        if (count > remaining() / 8)
            invalid("metadata ", printable(key), " claims ", count, " strings, more than the file can hold");
        for (uint64_t i = 0; i < count; ++i) text("metadata string", kMaxStringBytes);
    }

    TensorSource read_tensor(uint64_t& offset) {
        TensorSource tensor;
        tensor.file_name = std::string(text("tensor name", kMaxNameBytes));
        const std::string name = printable(tensor.file_name);
        const uint32_t dims = number<uint32_t>("dimension count");
        if (dims > kMaxDims) invalid("tensor ", name, ": expected at most ", kMaxDims, " dimensions, got ", dims);
        for (uint32_t i = 0; i < dims; ++i) tensor.shape.push_back(number<int64_t>("dimension"));
        const int64_t row = dims > 0 ? tensor.shape.front() : 1;  // innermost first in the file
        std::reverse(tensor.shape.begin(), tensor.shape.end());
        const uint32_t type = number<uint32_t>("tensor type");
        offset = number<uint64_t>("tensor offset");

        if (type >= GGML_TYPE_COUNT) invalid("tensor ", name, ": unknown type ", type);
        tensor.type = static_cast<ggml_type>(type);
        const int64_t block = ggml_blck_size(tensor.type);
        if (block == 0) invalid("tensor ", name, ": type ", type, " has been removed from GGUF");
        const std::optional<uint64_t> count = element_count(tensor.shape);
        if (!count) invalid("tensor ", name, ": the shape ", shape_text(tensor.shape), " is negative or too large");
        if (row % block != 0) {
            invalid("tensor ", name, ": expected rows of a multiple of ", block, " values for type ",
                    ggml_type_name(tensor.type), ", got ", row);
        }
        const uint64_t blocks = *count / static_cast<uint64_t>(block);
        const uint64_t block_bytes = ggml_type_size(tensor.type);
        if (blocks > bytes_.size() / block_bytes) {
            invalid("tensor ", name, ": shape ", shape_text(tensor.shape), " of ", ggml_type_name(tensor.type),
                    " needs ", blocks, " blocks of ", block_bytes,
                    " bytes, more than the file has: it is cut off or damaged");
        }
        tensor.size = static_cast<size_t>(blocks * block_bytes);
        return tensor;
    }

    void place(TensorSource& tensor, uint64_t offset, uint64_t data_start) const {
        const std::string name = printable(tensor.file_name);
        if (offset % alignment_ != 0)
            invalid("tensor ", name, ": its offset ", offset, " is not a multiple of ", alignment_);
        const uint64_t available = data_start < bytes_.size() ? bytes_.size() - data_start : 0;
        if (offset > available || tensor.size > available - offset) {
            invalid("tensor ", name, ": expected ", tensor.size, " bytes at offset ", offset, ", but the file holds ",
                    available, " bytes of tensor data: it is cut off");
        }
        tensor.data = tensor.size > 0 ? bytes_.data() + data_start + offset : bytes_.data();
    }

    const MappedFile& file_;
    std::span<const std::byte> bytes_;
    uint64_t at_ = 0;
    uint64_t tensor_count_ = 0, value_count_ = 0;
    uint32_t alignment_ = 32;
    FileContents contents_;
};

}  // namespace

bool looks_like_gguf(const MappedFile& file) {
    return file.bytes().size() >= 4 && std::memcmp(file.bytes().data(), "GGUF", 4) == 0;
}

FileContents read_gguf(const MappedFile& file) {
    return Reader(file).read();
}

}  // namespace nd::weights
