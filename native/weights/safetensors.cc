// Reads the header of a .safetensors file: 8 bytes of length, JSON, then the tensors' bytes.
#include "native/weights/safetensors.h"

#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include "native/error.h"
#include "native/weights/checks.h"

namespace nd::weights {

namespace {

constexpr uint64_t kLengthBytes = 8;
constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // the limit of the reference implementation

struct Dtype {
    std::string_view name;
    uint64_t bits;
    std::optional<ggml_type> type;  // none: the engine cannot read it
};

constexpr std::array kDtypes = {
    Dtype{"F32", 32, GGML_TYPE_F32},   Dtype{"F16", 16, GGML_TYPE_F16},   Dtype{"BF16", 16, GGML_TYPE_BF16},
    Dtype{"F64", 64, std::nullopt},    Dtype{"I64", 64, std::nullopt},    Dtype{"U64", 64, std::nullopt},
    Dtype{"I32", 32, std::nullopt},    Dtype{"U32", 32, std::nullopt},    Dtype{"I16", 16, std::nullopt},
    Dtype{"U16", 16, std::nullopt},    Dtype{"I8", 8, std::nullopt},      Dtype{"U8", 8, std::nullopt},
    Dtype{"BOOL", 8, std::nullopt},    Dtype{"F8_E4M3", 8, std::nullopt}, Dtype{"F8_E5M2", 8, std::nullopt},
    Dtype{"F8_E8M0", 8, std::nullopt}, Dtype{"C64", 64, std::nullopt},    Dtype{"F4", 4, std::nullopt},
    Dtype{"F6_E2M3", 6, std::nullopt}, Dtype{"F6_E3M2", 6, std::nullopt},
};

const Dtype* find_dtype(std::string_view name) {
    for (const Dtype& dtype : kDtypes) {
        if (dtype.name == name) return &dtype;
    }
    return nullptr;
}

uint64_t header_length(const MappedFile& file) {
    uint64_t length = 0;
    for (size_t i = 0; i < kLengthBytes; ++i) length |= std::to_integer<uint64_t>(file.bytes()[i]) << (8 * i);
    return length;
}

// One entry of the header, checked on its own and against the `available` bytes of tensor data.
class Entry {
  public:
    Entry(const MappedFile& file, const std::string& name, const nlohmann::json& json)
        : file_(file), name_(name), json_(json) {
        if (!json.is_object()) invalid("expected an object, got ", json.type_name());
        read_dtype();
        read_shape();
        read_offsets();
    }

    const Dtype& dtype() const { return *dtype_; }

    TensorSource source(const std::byte* data, uint64_t available) const {
        if (end_ > available) {
            invalid("its bytes end at ", end_, ", but the file holds ", available,
                    " bytes of tensor data: it is cut off (expected a file of at least ",
                    file_.bytes().size() - available + end_, " bytes, got ", file_.bytes().size(), ")");
        }
        TensorSource tensor;
        tensor.type = dtype_->type.value_or(GGML_TYPE_I8);
        tensor.shape = shape_;
        tensor.data = data + begin_;
        tensor.size = static_cast<size_t>(end_ - begin_);
        tensor.file_name = name_;
        return tensor;
    }

  private:
    template <typename... Parts>
    [[noreturn]] void invalid(Parts&&... parts) const {
        fail("FILE_INVALID", file_.path(), ": tensor ", printable(name_), ": ", std::forward<Parts>(parts)...);
    }

    const nlohmann::json& field(const char* key) const {
        const auto found = json_.find(key);
        if (found == json_.end()) invalid("its entry has no ", key);
        return *found;
    }

    void read_dtype() {
        const nlohmann::json& dtype = field("dtype");
        if (!dtype.is_string()) invalid("expected dtype to be a string, got ", dtype.type_name());
        const std::string& text = dtype.get_ref<const std::string&>();
        dtype_ = find_dtype(text);
        if (dtype_ == nullptr) invalid("unknown dtype '", printable(text), "'");
    }

    void read_shape() {
        const nlohmann::json& shape = field("shape");
        if (!shape.is_array()) invalid("expected shape to be an array, got ", shape.type_name());
        for (const nlohmann::json& n : shape) {
            if (!n.is_number_unsigned() || n.get<uint64_t>() > INT64_MAX) {
                invalid("expected shape to hold non-negative integers, got ", printable(n.dump()));
            }
            shape_.push_back(n.get<int64_t>());
        }
        const std::optional<uint64_t> count = element_count(shape_);
        if (!count || *count > UINT64_MAX / 64) invalid("the shape ", shape_text(shape_), " is too large");
        size_ = (*count * dtype_->bits + 7) / 8;
    }

    void read_offsets() {
        const nlohmann::json& offsets = field("data_offsets");
        if (!offsets.is_array() || offsets.size() != 2 || !offsets[0].is_number_unsigned() ||
            !offsets[1].is_number_unsigned()) {
            invalid("expected data_offsets to hold two non-negative integers");
        }
        begin_ = offsets[0].get<uint64_t>();
        end_ = offsets[1].get<uint64_t>();
        if (begin_ > end_) invalid("its bytes end (", end_, ") before they begin (", begin_, ")");
        if (end_ - begin_ != size_) {
            invalid("shape ", shape_text(shape_), " of ", dtype_->name, " needs ", size_,
                    " bytes, but data_offsets cover ", end_ - begin_);
        }
    }

    const MappedFile& file_;
    const std::string& name_;
    const nlohmann::json& json_;
    const Dtype* dtype_ = nullptr;
    std::vector<int64_t> shape_;
    uint64_t size_ = 0, begin_ = 0, end_ = 0;
};

std::map<std::string, std::string> read_metadata(const MappedFile& file, const nlohmann::json& json) {
    if (!json.is_object())
        fail("FILE_INVALID", file.path(), ": expected __metadata__ to be an object, got ", json.type_name());
    std::map<std::string, std::string> metadata;
    for (const auto& [key, value] : json.items()) {
        if (!value.is_string()) {
            fail("FILE_INVALID", file.path(), ": expected __metadata__ to hold strings, got ", value.type_name(),
                 " for ", printable(key));
        }
        metadata[key] = value.get<std::string>();
    }
    return metadata;
}

}  // namespace

bool looks_like_safetensors(const MappedFile& file) {
    return file.bytes().size() > kLengthBytes && file.bytes()[kLengthBytes] == std::byte{'{'};
}

FileContents read_safetensors(const MappedFile& file) {
    const uint64_t file_size = file.bytes().size();
    if (file_size < kLengthBytes) {
        fail("FILE_INVALID", file.path(),
             ": a safetensors file begins with 8 bytes of header length, but the file has ", file_size, " bytes");
    }
    const uint64_t length = header_length(file);
    if (length > kMaxHeaderBytes) {
        fail("FILE_INVALID", file.path(), ": the header claims ", length, " bytes, more than the limit of ",
             kMaxHeaderBytes);
    }
    if (length > file_size - kLengthBytes) {
        fail("FILE_INVALID", file.path(), ": the file is cut off: expected a header of ", length, " bytes, got ",
             file_size - kLengthBytes);
    }
    const std::byte* header = file.bytes().data() + kLengthBytes;
    const nlohmann::json json =
        parse_object({reinterpret_cast<const char*>(header), static_cast<size_t>(length)}, file.path() + ": header");

    FileContents contents;
    TensorMap all;  // with the unreadable ones, whose bytes must not overlap either
    for (const auto& [name, value] : json.items()) {
        if (name == "__metadata__") {
            contents.metadata = read_metadata(file, value);
            continue;
        }
        const Entry entry(file, name, value);
        const TensorSource source = entry.source(header + length, file_size - kLengthBytes - length);
        all.emplace(name, source);
        if (entry.dtype().type) {
            contents.tensors.emplace(name, source);
        } else {
            contents.unreadable.emplace(name, std::string(entry.dtype().name));
        }
    }
    check_no_overlap(all, file.path());
    return contents;
}

}  // namespace nd::weights
