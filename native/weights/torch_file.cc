// Reads the tensors of a file written by PyTorch's torch.save, and executes nothing of it.
#include "native/weights/torch_file.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include "native/error.h"
#include "native/weights/byte_cursor.h"
#include "native/weights/checks.h"
#include "native/weights/pickle.h"
#include "native/weights/torch_tensor.h"
#include "native/weights/zip.h"

namespace nd::weights {

namespace {

using Kind = Pickle::Kind;
using Ref = Pickle::Ref;
using Value = Pickle::Value;

// The long integer 0x1950a86a20f9469cfc6c, little-endian.
constexpr std::string_view kMagic("\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 10);
constexpr int64_t kFormatVersion = 1001;
constexpr std::string_view kContainers[] = {"state_dict", "params_ema", "params", "model", "module"};
constexpr std::string_view kObject = "data.pkl";
constexpr int kMaxDepth = 4;  // of dictionaries in dictionaries
constexpr size_t kMaxName = 1024, kMaxTensors = 65536, kMaxFacts = 256;
constexpr uint64_t kMaxSharing = 4;  // tensors may share bytes, but not make a large model of a small file

// Looked up one after another, and few of them: a table of keys could be made to collide.
Ref find_key(const Pickle& pickle, Ref dictionary, std::string_view key) {
    constexpr size_t kMost = 4096;
    const auto& items = pickle[dictionary].items;
    for (size_t i = 0; i + 1 < std::min(items.size(), kMost); i += 2) {
        const Value& name = pickle[items[i]];
        if (name.kind == Kind::Text && name.text == key) return items[i + 1];
    }
    return 0;
}

// What holds named values: a dictionary, what a call made and was then filled (an OrderedDict), or the parameters of
// a module (a ParameterDict, whose second key they are); 0 for all else.
Ref as_dictionary(const Pickle& pickle, Ref ref) {
    const auto holds = [&](Ref r) { return pickle[r].kind == Kind::Dict || pickle[r].kind == Kind::Call; };
    if (!holds(ref)) return 0;
    const auto& state = pickle[pickle[ref].state].items;
    for (size_t i = 0; i + 1 < std::min<size_t>(state.size(), 8); i += 2) {
        if (pickle[state[i]].text == "_parameters") return holds(state[i + 1]) ? state[i + 1] : 0;
    }
    return ref;
}

// Walks the object of a file for its tensors.
class Collector {
  public:
    Collector(const MappedFile& file, const Pickle& pickle, const TorchStorages& storages)
        : file_(file), pickle_(pickle), tensors_(pickle, storages, file.path()), visited_(pickle.values(), false) {}

    FileContents collect() {
        const Ref root = as_dictionary(pickle_, pickle_.root());
        if (root == 0) invalid("expected a dictionary of tensors");
        const Ref container = find_container(root);
        walk(container != 0 ? container : root, "", container != 0 ? 0 : kMaxDepth);
        if (contents_.tensors.empty() && contents_.unreadable.empty())
            invalid("no tensors in it: expected a dictionary of tensors, such as a state dict");
        collect_facts(pickle_[root]);
        contents_.owned = tensors_.take_owned();
        return std::move(contents_);
    }

  private:
    template <typename... Parts>
    [[noreturn]] void invalid(Parts&&... parts) const {
        fail("FILE_INVALID", file_.path(), ": ", std::forward<Parts>(parts)...);
    }

    Ref find_container(Ref root) const {
        for (const std::string_view key : kContainers) {
            const Ref dictionary = as_dictionary(pickle_, find_key(pickle_, root, key));
            const auto& items = pickle_[dictionary].items;
            for (size_t i = 1; i < items.size(); i += 2) {
                if (tensors_.is_tensor(items[i])) return dictionary;
            }
        }
        return 0;
    }

    // Each dictionary once: it may be found in many places, and within itself.
    void walk(Ref dictionary, const std::string& prefix, int depth) {
        if (visited_[dictionary]) return;
        visited_[dictionary] = true;
        const auto& items = pickle_[dictionary].items;
        for (size_t i = 0; i + 1 < items.size(); i += 2) {
            const Value& key = pickle_[items[i]];
            if (key.kind != Kind::Text) continue;
            if (tensors_.is_tensor(items[i + 1])) {
                add(full_name(prefix, key.text), items[i + 1]);
            } else if (const Ref inner = as_dictionary(pickle_, items[i + 1]); inner != 0 && depth > 0) {
                walk(inner, full_name(prefix, key.text) + ".", depth - 1);
            }
        }
    }

    std::string full_name(const std::string& prefix, std::string_view key) const {
        if (prefix.size() + key.size() > kMaxName)
            invalid("a name of ", prefix.size() + key.size(), " bytes: expected at most ", kMaxName);
        return prefix + std::string(key);
    }

    void add(const std::string& name, Ref ref) {
        TorchTensor tensor = tensors_.read(ref, name);
        if (contents_.tensors.size() + contents_.unreadable.size() >= kMaxTensors)
            invalid("more than ", kMaxTensors, " tensors");
        if (contents_.tensors.count(name) + contents_.unreadable.count(name) > 0)
            invalid("two tensors are named ", printable(name));
        if (!tensor.unreadable.empty()) {
            contents_.unreadable.emplace(name, std::move(tensor.unreadable));
            return;
        }
        bytes_ += tensor.source.size;
        if (bytes_ > kMaxSharing * file_.bytes().size())
            invalid("its tensors claim more than ", kMaxSharing, " times the bytes of the file");
        contents_.tensors.emplace(name, std::move(tensor.source));
    }

    // What else the file tells, such as an embedding's `name` and `step`.
    void collect_facts(const Value& root) {
        for (size_t i = 0; i + 1 < root.items.size() && contents_.metadata.size() < kMaxFacts; i += 2) {
            const Value& key = pickle_[root.items[i]];
            const Value& value = pickle_[root.items[i + 1]];
            if (key.kind != Kind::Text || key.text.size() > kMaxName || value.text.size() > kMaxName) continue;
            if (value.kind == Kind::Text) contents_.metadata.emplace(key.text, value.text);
            if (value.kind == Kind::Int) contents_.metadata.emplace(key.text, std::to_string(value.number));
        }
    }

    const MappedFile& file_;
    const Pickle& pickle_;
    TorchTensors tensors_;
    std::vector<bool> visited_;
    FileContents contents_;
    uint64_t bytes_ = 0;
};

// --- the zip format
// ----------------------------------------------------------------------------------------------------

FileContents read_zip_format(const MappedFile& file) {
    const ZipEntries entries = read_zip(file);
    std::optional<std::string> root;  // the folder that all is in: the name that the file had
    for (const auto& [name, bytes] : entries) {
        if (name != kObject && !name.ends_with(std::string("/").append(kObject))) continue;
        if (root) fail("FILE_INVALID", file.path(), ": two entries named ", kObject);
        root = name.substr(0, name.size() - kObject.size());
    }
    if (!root) {
        fail("FILE_INVALID", file.path(), ": a zip archive without ", kObject, ", which a PyTorch file has");
    }
    if (entries.count(*root + "constants.pkl") > 0) {
        fail("UNSUPPORTED_TYPE", file.path(),
             ": a TorchScript program, which is code: expected a file of weights, written by torch.save");
    }
    const auto order = entries.find(*root + "byteorder");
    if (order != entries.end() && order->second.size() == 3)  // "big", not "little"
        fail("UNSUPPORTED_TYPE", file.path(), ": its numbers are big-endian");

    TorchStorages storages;
    const std::string folder = *root + "data/";
    for (auto entry = entries.lower_bound(folder); entry != entries.end() && entry->first.starts_with(folder); ++entry)
        storages.emplace(entry->first.substr(folder.size()), entry->second);
    const Pickle pickle(entries.find(*root + std::string(kObject))->second, file.path() + ": data.pkl");
    return Collector(file, pickle, storages).collect();
}

// --- the format before it
// ----------------------------------------------------------------------------------------------

void check_system(const Pickle& system, const std::string& path) {
    const Value& little = system[find_key(system, system.root(), "little_endian")];
    if (little.kind == Kind::Bool && little.number == 0) fail("UNSUPPORTED_TYPE", path, ": its numbers are big-endian");
}

// The storages follow each other in the order of a list of their keys: each its number of values, then those.
TorchStorages read_storages(std::span<const std::byte> bytes, const Pickle& keys, const Pickle& object,
                            const std::string& path) {
    std::map<std::string, uint64_t, std::less<>> value_bytes;  // of a storage of that key
    for (Ref ref = 0; ref < object.values(); ++ref) {
        if (object[ref].kind != Kind::Persistent) continue;
        const TorchStorageId id = read_storage_id(object, ref, path);
        value_bytes.emplace(id.key, id.type->bytes);
    }
    if (keys[keys.root()].kind != Kind::List) fail("FILE_INVALID", path, ": expected a list of storages");
    TorchStorages storages;
    const std::string what = path + ": storages";
    ByteCursor cursor(bytes, what);
    for (const Ref ref : keys[keys.root()].items) {
        const Value& key = keys[ref];
        const auto known = key.kind == Kind::Text ? value_bytes.find(key.text) : value_bytes.end();
        if (known == value_bytes.end()) fail("FILE_INVALID", path, ": a storage that no tensor has");
        const uint64_t count = cursor.number<uint64_t>();
        if (count > cursor.remaining() / known->second) {
            cursor.invalid("cut off: expected ", count, " values of ", known->second, " bytes, got ",
                           cursor.remaining(), " bytes");
        }
        if (!storages.emplace(key.text, cursor.take(count * known->second)).second)
            fail("FILE_INVALID", path, ": two storages of one key");
    }
    return storages;
}

FileContents read_legacy_format(const MappedFile& file) {
    std::span<const std::byte> rest = file.bytes();
    const auto next = [&](const char* part) {
        const Pickle pickle(rest, file.path() + ": " + part);
        rest = rest.subspan(pickle.size());
        return pickle;
    };
    next("magic number");
    const Pickle version = next("version");
    if (version[version.root()].kind != Kind::Int || version[version.root()].number != kFormatVersion)
        fail("UNSUPPORTED_TYPE", file.path(), ": expected version ", kFormatVersion, " of PyTorch's format");
    check_system(next("system"), file.path());
    const Pickle object = next("object");
    const Pickle keys = next("list of storages");
    return Collector(file, object, read_storages(rest, keys, object, file.path())).collect();
}

// A pickle of the magic number, of any protocol.
bool is_legacy(const MappedFile& file) {
    constexpr size_t kMostBefore = 16;  // protocol, frame and opcode
    const auto bytes = file.bytes();
    if (bytes.size() < kMagic.size() || bytes[0] != std::byte{0x80}) return false;
    const std::string_view front(reinterpret_cast<const char*>(bytes.data()),
                                 std::min(bytes.size(), kMostBefore + kMagic.size()));
    return front.find(kMagic) != std::string_view::npos;
}

}  // namespace

bool looks_like_torch(const MappedFile& file) {
    return looks_like_zip(file) || is_legacy(file);
}

FileContents read_torch(const MappedFile& file) {
    return looks_like_zip(file) ? read_zip_format(file) : read_legacy_format(file);
}

}  // namespace nd::weights
