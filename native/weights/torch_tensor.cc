// The tensors within a PyTorch file's pickle: which of its calls would make one, of what storage, type and shape.
#include "native/weights/torch_tensor.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "native/error.h"
#include "native/weights/checks.h"

namespace nd::weights {

namespace {

using Kind = Pickle::Kind;
using Ref = Pickle::Ref;
using Value = Pickle::Value;

constexpr size_t kMaxDims = 8;
constexpr int kMaxWrappers = 4;  // a parameter of a subclass of a tensor

constexpr std::array kTypes = {
    TorchType{"FloatStorage", "float32", "F32", 4, GGML_TYPE_F32},
    TorchType{"HalfStorage", "float16", "F16", 2, GGML_TYPE_F16},
    TorchType{"BFloat16Storage", "bfloat16", "BF16", 2, GGML_TYPE_BF16},
    TorchType{"DoubleStorage", "float64", "F64", 8, std::nullopt},
    TorchType{"LongStorage", "int64", "I64", 8, std::nullopt},
    TorchType{"IntStorage", "int32", "I32", 4, std::nullopt},
    TorchType{"ShortStorage", "int16", "I16", 2, std::nullopt},
    TorchType{"CharStorage", "int8", "I8", 1, std::nullopt},
    TorchType{"ByteStorage", "uint8", "U8", 1, std::nullopt},
    TorchType{"BoolStorage", "bool", "BOOL", 1, std::nullopt},
    TorchType{"ComplexFloatStorage", "complex64", "C64", 8, std::nullopt},
    TorchType{"ComplexDoubleStorage", "complex128", "C128", 16, std::nullopt},
    TorchType{"QInt8Storage", "qint8", "quantised I8", 1, std::nullopt},
    TorchType{"QUInt8Storage", "quint8", "quantised U8", 1, std::nullopt},
    TorchType{"QInt32Storage", "qint32", "quantised I32", 4, std::nullopt},
    TorchType{"UntypedStorage", "", "bytes", 1, std::nullopt},  // of types that have no storage class of their own
};

bool is_torch(std::string_view module) {
    return module == "torch" || module.starts_with("torch.");
}

bool is_int(const Value& value) {
    return value.kind == Kind::Int && value.number >= 0;
}

// A tuple of sizes or strides; nothing where it is none.
std::optional<std::vector<int64_t>> extents(const Pickle& pickle, const Value& tuple) {
    if (tuple.kind != Kind::Tuple || tuple.items.size() > kMaxDims) return std::nullopt;
    std::vector<int64_t> numbers;
    for (const Ref ref : tuple.items) {
        if (!is_int(pickle[ref])) return std::nullopt;
        numbers.push_back(pickle[ref].number);
    }
    return numbers;
}

struct Layout {
    uint64_t offset = 0;  // values from the storage's begin
    std::vector<int64_t> shape, strides;
    uint64_t count = 0;

    // Whether all of its values lie within `available` of them; free of overflow.
    bool fits(uint64_t available) const {
        if (count == 0) return offset <= available;
        if (count > available || offset >= available) return false;
        uint64_t left = available - 1 - offset;  // how far the last value may be from the first
        for (size_t i = 0; i < shape.size(); ++i) {
            const auto steps = static_cast<uint64_t>(shape[i] - 1), stride = static_cast<uint64_t>(strides[i]);
            if (steps == 0 || stride == 0) continue;
            if (stride > left / steps) return false;
            left -= stride * steps;
        }
        return true;
    }

    bool in_order() const {
        int64_t expected = 1;
        for (size_t i = shape.size(); i > 0 && count > 0; --i) {
            if (shape[i - 1] != 1 && strides[i - 1] != expected) return false;
            expected *= shape[i - 1];
        }
        return true;
    }
};

template <typename T>
void gather(const Layout& layout, const std::byte* from, std::byte* to) {
    std::vector<int64_t> index(layout.shape.size());
    uint64_t position = 0;
    for (uint64_t i = 0; i < layout.count; ++i, to += sizeof(T)) {
        std::memcpy(to, from + position * sizeof(T), sizeof(T));
        for (size_t d = index.size(); d > 0; --d) {
            position += static_cast<uint64_t>(layout.strides[d - 1]);
            if (++index[d - 1] < layout.shape[d - 1]) break;
            position -= static_cast<uint64_t>(layout.strides[d - 1]) * static_cast<uint64_t>(index[d - 1]);
            index[d - 1] = 0;
        }
    }
}

}  // namespace

TorchStorageId read_storage_id(const Pickle& pickle, Ref ref, const std::string& path) {
    const auto invalid = [&] { fail("FILE_INVALID", path, ": a reference to something else than a tensor's storage"); };
    const Value& id = pickle[pickle[ref].arguments];
    if (pickle[ref].kind != Kind::Persistent || id.kind != Kind::Tuple || id.items.size() < 5) invalid();
    const auto part = [&](size_t i) -> const Value& { return pickle[id.items[i]]; };
    const bool well_formed = part(0).kind == Kind::Text && part(0).text == "storage" && part(1).kind == Kind::Global &&
                             is_torch(part(1).text) && part(2).kind == Kind::Text && is_int(part(4));
    if (!well_formed) invalid();
    if (id.items.size() > 5 && part(5).kind != Kind::None)
        fail("UNSUPPORTED_TYPE", path, ": a storage within another one, as PyTorch wrote them before 0.4");
    for (const TorchType& type : kTypes) {
        if (type.storage == part(1).name) return {part(2).text, &type, static_cast<uint64_t>(part(4).number)};
    }
    fail("UNSUPPORTED_TYPE", path, ": unknown storage ", printable(part(1).name));
}

// The call that makes a tensor, without what wraps it: its function is empty where there is none.
TorchTensors::Call TorchTensors::resolve(Ref ref) const {
    const Value* callable = &pickle_[pickle_[ref].callable];
    const Value* arguments = &pickle_[pickle_[ref].arguments];
    for (int i = 0; i < kMaxWrappers; ++i) {
        const bool known = callable->kind == Kind::Global && is_torch(callable->text) &&
                           callable->name.starts_with("_rebuild_") && arguments->kind == Kind::Tuple;
        if (!known) return {};
        const auto& items = arguments->items;
        if (callable->name.starts_with("_rebuild_parameter") && !items.empty()) {
            const Value& data = pickle_[items[0]];
            callable = &pickle_[data.callable], arguments = &pickle_[data.arguments];
        } else if (callable->name == "_rebuild_from_type_v2" && items.size() >= 3) {
            callable = &pickle_[items[0]], arguments = &pickle_[items[2]];
        } else {
            return {callable->name, arguments};
        }
    }
    return {};
}

bool TorchTensors::is_tensor(Ref ref) const {
    return pickle_[ref].kind == Kind::Call && !resolve(ref).function.empty();
}

TorchTensor TorchTensors::read(Ref ref, const std::string& name) {
    const auto invalid = [&](auto&&... parts) {
        fail("FILE_INVALID", path_, ": tensor ", printable(name), ": ", std::forward<decltype(parts)>(parts)...);
    };
    const Call call = resolve(ref);
    const bool typed = call.function == "_rebuild_tensor_v3";  // with a dtype of its own
    if (!typed && call.function != "_rebuild_tensor_v2" && call.function != "_rebuild_tensor")
        return {{}, std::string("what ").append(printable(call.function)).append(" makes")};
    const auto& items = call.arguments->items;
    if (items.size() < (typed ? 7u : 4u)) invalid("described by ", items.size(), " values");
    const TorchStorageId id = read_storage_id(pickle_, items[0], path_);
    if (typed) return {{}, printable(pickle_[items[6]].name)};
    if (!id.type->type) return {{}, std::string(id.type->name)};

    const auto shape = extents(pickle_, pickle_[items[2]]), strides = extents(pickle_, pickle_[items[3]]);
    if (!is_int(pickle_[items[1]]) || !shape || !strides || shape->size() != strides->size()) {
        invalid("expected an offset, and shape and strides of at most ", kMaxDims,
                " non-negative integers, as many of the one as of the other");
    }
    const std::optional<uint64_t> count = element_count(*shape);
    if (!count) invalid("the shape ", shape_text(*shape), " is too large");
    const auto storage = storages_.find(id.key);
    if (storage == storages_.end()) invalid("its storage ", printable(id.key), " is not in the file");
    const uint64_t available = std::min(id.count, storage->second.size() / id.type->bytes);
    const Layout layout{static_cast<uint64_t>(pickle_[items[1]].number), *shape, *strides, *count};
    if (!layout.fits(available)) {
        invalid("shape ", shape_text(*shape), " with strides ", shape_text(*strides), " from value ", layout.offset,
                " on does not fit its storage of ", available, " values: damaged or cut off");
    }

    TensorSource source;
    source.type = *id.type->type;
    source.shape = *shape;
    source.data = storage->second.data() + layout.offset * id.type->bytes;
    source.size = static_cast<size_t>(layout.count * id.type->bytes);
    source.file_name = name;
    if (!layout.in_order()) {
        auto values = std::make_shared<std::vector<std::byte>>(source.size);
        id.type->bytes == 4 ? gather<uint32_t>(layout, source.data, values->data())
                            : gather<uint16_t>(layout, source.data, values->data());
        source.data = values->data();
        owned_.push_back(std::move(values));
    }
    return {std::move(source), ""};
}

}  // namespace nd::weights
