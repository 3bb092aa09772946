// Writers of zip archives, pickles and PyTorch files for the tests: good ones, and any that lie.
#pragma once

#include <initializer_list>
#include <map>
#include <string>
#include <vector>

#include "native/test/weights/model_files.h"

namespace nd::test {

// Writes a zip archive field by field, as PyTorch does unless told otherwise.
struct ZipWriter {
    struct Entry {
        std::string name, bytes;
        uint16_t method = 0, flags = 0;
    };

    std::vector<Entry> entries;
    bool zip64 = false;
    std::string comment;

    ZipWriter& add(const std::string& name, const std::string& bytes) {
        entries.push_back({name, bytes});
        return *this;
    }

    static std::string local_header(const Entry& entry) {
        return raw(uint32_t{0x04034b50}) + raw(uint16_t{0}) + raw(entry.flags) + raw(entry.method) +
               std::string(16, '\0') + raw(static_cast<uint16_t>(entry.name.size())) + raw(uint16_t{0}) + entry.name;
    }

    std::string central_header(const Entry& entry, uint64_t local) const {
        const uint64_t size = entry.bytes.size();
        const std::string extra = zip64 ? raw(uint16_t{7}) + raw(uint16_t{1}) + "x" + raw(uint16_t{1}) +
                                              raw(uint16_t{24}) + raw(size) + raw(size) + raw(local)
                                        : "";
        const auto field = [&](uint64_t n) { return raw(zip64 ? 0xffffffffu : static_cast<uint32_t>(n)); };
        return raw(uint32_t{0x02014b50}) + std::string(4, '\0') + raw(entry.flags) + raw(entry.method) +
               std::string(8, '\0') + field(size) + field(size) + raw(static_cast<uint16_t>(entry.name.size())) +
               raw(static_cast<uint16_t>(extra.size())) + std::string(10, '\0') + field(local) + entry.name + extra;
    }

    std::string end_record(uint64_t count, uint64_t size, uint64_t begin) const {
        std::string end;
        if (zip64) {
            const std::string record = raw(uint32_t{0x06064b50}) + raw(uint64_t{44}) + std::string(12, '\0') +
                                       raw(count) + raw(count) + raw(size) + raw(begin);
            end = record + raw(uint32_t{0x07064b50}) + std::string(4, '\0') + raw(begin + size) + raw(uint32_t{1});
        }
        const auto n = zip64 ? uint16_t{0xffff} : static_cast<uint16_t>(count);
        const auto field = [&](uint64_t value) { return raw(zip64 ? 0xffffffffu : static_cast<uint32_t>(value)); };
        return end + raw(uint32_t{0x06054b50}) + std::string(4, '\0') + raw(n) + raw(n) + field(size) + field(begin) +
               raw(static_cast<uint16_t>(comment.size())) + comment;
    }

    std::string file() const {
        std::string bytes, directory;
        for (const Entry& entry : entries) {
            directory += central_header(entry, bytes.size());
            bytes += local_header(entry) + entry.bytes;
        }
        return bytes + directory + end_record(entries.size(), directory.size(), bytes.size());
    }
};

// Writes a pickle's instructions one after another.
struct PickleWriter {
    std::string bytes{"\x80\x02", 2};

    PickleWriter& raw_bytes(const std::string& more) {
        bytes += more;
        return *this;
    }
    PickleWriter& text(const std::string& value) {
        return raw_bytes("X" + raw(static_cast<uint32_t>(value.size())) + value);
    }
    PickleWriter& integer(int64_t value) { return raw_bytes("\x8a\x08" + raw(value)); }
    PickleWriter& global(const std::string& module, const std::string& name) {
        return raw_bytes("c" + module + "\n" + name + "\n");
    }
    PickleWriter& tuple(const std::vector<int64_t>& values) {
        raw_bytes("(");
        for (const int64_t value : values) integer(value);
        return raw_bytes("t");
    }
    std::string end() const { return bytes + "."; }
};

struct TorchLayout {
    std::vector<int64_t> shape, strides;
    int64_t offset = 0, count = -1;  // -1: as many values as the shape says
    std::string storage = "FloatStorage", key = "0";
};

inline std::vector<int64_t> strides_of(const std::vector<int64_t>& shape) {
    std::vector<int64_t> strides(shape.size(), 1);
    for (size_t i = shape.size(); i > 1; --i) strides[i - 2] = strides[i - 1] * shape[i - 1];
    return strides;
}

// The instructions that make a tensor; `legacy` storages have a place for what they are a view of.
inline void write_tensor(PickleWriter& pickle, const TorchLayout& layout, bool legacy = false) {
    uint64_t count = 1;  // wraps around where a hostile shape makes it
    for (const int64_t n : layout.shape) count *= static_cast<uint64_t>(n);
    pickle.global("torch._utils", "_rebuild_tensor_v2").raw_bytes("((").text("storage");
    pickle.global("torch", layout.storage).text(layout.key).text("cpu");
    pickle.integer(layout.count < 0 ? static_cast<int64_t>(count) : layout.count)
        .raw_bytes(legacy ? "NtQ" : "tQ")
        .integer(layout.offset);
    pickle.tuple(layout.shape).tuple(layout.strides).raw_bytes("\x89");
    pickle.global("collections", "OrderedDict").raw_bytes(")RtR");
}

// A whole file of tensors in the zip format, under `state_dict`.
inline std::string torch_file(const std::vector<TestTensor>& tensors) {
    PickleWriter pickle;
    ZipWriter zip;
    pickle.raw_bytes("}").text("state_dict").global("collections", "OrderedDict").raw_bytes(")R(");
    for (size_t i = 0; i < tensors.size(); ++i) {
        const TestTensor& tensor = tensors[i];
        const char* storage = tensor.type == GGML_TYPE_F32   ? "FloatStorage"
                              : tensor.type == GGML_TYPE_F16 ? "HalfStorage"
                                                             : "BFloat16Storage";
        pickle.text(tensor.name);
        write_tensor(pickle, {tensor.shape, strides_of(tensor.shape), 0, -1, storage, std::to_string(i)});
        zip.add("m/data/" + std::to_string(i), tensor.bytes);
    }
    zip.add("m/data.pkl", pickle.raw_bytes("us").end()).add("m/byteorder", "little").add("m/version", "3\n");
    return zip.file();
}

}  // namespace nd::test
