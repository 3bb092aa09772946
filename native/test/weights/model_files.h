// Small model files for the tests: a folder that cleans up after itself, and writers of safetensors and GGUF.
#pragma once

#include <ggml.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "native/error.h"
#include "native/test/tap.h"

namespace nd::test {

class TemporaryFolder {
  public:
    TemporaryFolder() {
        static std::atomic<int> count{0};
        const std::string name = "nd-weights-" + std::to_string(std::random_device{}()) + "-" + std::to_string(count++);
        path_ = std::filesystem::temp_directory_path() / name;
        std::filesystem::create_directories(path_);
    }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    ~TemporaryFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    std::string path(const std::string& name = "") const {
        return name.empty() ? path_.string() : (path_ / name).string();
    }

    std::string write(const std::string& name, const std::string& bytes) const {
        const std::filesystem::path file = path_ / name;
        std::filesystem::create_directories(file.parent_path());
        std::ofstream(file, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
        return file.string();
    }

  private:
    std::filesystem::path path_;
};

template <typename T>
std::string raw(const T& value) {
    return {reinterpret_cast<const char*>(&value), sizeof(T)};
}

template <typename T>
std::string raw(const std::vector<T>& values) {
    return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

// Header JSON and data to a safetensors file.
inline std::string safetensors(const std::string& header, const std::string& data = "") {
    return raw(static_cast<uint64_t>(header.size())) + header + data;
}

struct TestTensor {
    std::string name;
    std::vector<int64_t> shape;  // outermost first
    ggml_type type;
    std::string bytes;
};

inline TestTensor floats(const std::string& name, std::vector<int64_t> shape, const std::vector<float>& values) {
    return {name, std::move(shape), GGML_TYPE_F32, raw(values)};
}

inline TestTensor zeros(const std::string& name, std::vector<int64_t> shape) {
    int64_t n = 1;
    for (int64_t d : shape) n *= d;
    return floats(name, std::move(shape), std::vector<float>(static_cast<size_t>(n)));
}

// Pseudo-random values in -1..1 that are the same in every run.
inline std::vector<float> noise(size_t n, uint32_t seed = 1) {
    std::mt19937 random(seed);
    std::vector<float> values(n);
    for (float& value : values) value = static_cast<float>(random()) / 2147483648.0f - 1.0f;
    return values;
}

inline std::string safetensors(const std::vector<TestTensor>& tensors, const std::string& metadata = "") {
    std::string header = "{", data;
    if (!metadata.empty()) header += "\"__metadata__\":" + metadata;
    for (const TestTensor& tensor : tensors) {
        const char* dtype = tensor.type == GGML_TYPE_F32 ? "F32" : tensor.type == GGML_TYPE_F16 ? "F16" : "BF16";
        header += std::string(header.size() > 1 ? "," : "") + "\"" + tensor.name + "\":{\"dtype\":\"" + dtype +
                  "\",\"shape\":[";
        for (size_t i = 0; i < tensor.shape.size(); ++i) header += (i ? "," : "") + std::to_string(tensor.shape[i]);
        header += "],\"data_offsets\":[" + std::to_string(data.size()) + "," +
                  std::to_string(data.size() + tensor.bytes.size()) + "]}";
        data += tensor.bytes;
    }
    return safetensors(header + "}", data);
}

inline std::string gguf_text(const std::string& text) {
    return raw(static_cast<uint64_t>(text.size())) + text;
}

// Writes GGUF field by field, so that a test can put anything in it.
struct GgufWriter {
    uint32_t version = 3;
    uint64_t alignment = 32;
    std::string values, tensors, data;
    uint64_t value_count = 0, tensor_count = 0;

    GgufWriter& value(const std::string& key, uint32_t type, const std::string& bytes) {
        values += gguf_text(key) + raw(type) + bytes;
        ++value_count;
        return *this;
    }
    GgufWriter& text(const std::string& key, const std::string& value_text) {
        return value(key, 8, gguf_text(value_text));
    }
    // Only the description; `ne` innermost first, as in the file.
    GgufWriter& describe(const std::string& name, const std::vector<int64_t>& ne, uint32_t type, uint64_t offset) {
        tensors += gguf_text(name) + raw(static_cast<uint32_t>(ne.size())) + raw(ne) + raw(type) + raw(offset);
        ++tensor_count;
        return *this;
    }
    GgufWriter& tensor(const TestTensor& tensor) {
        describe(tensor.name, {tensor.shape.rbegin(), tensor.shape.rend()}, static_cast<uint32_t>(tensor.type),
                 data.size());
        data += tensor.bytes;
        data.resize((data.size() + alignment - 1) / alignment * alignment);
        return *this;
    }
    std::string file() const {
        std::string bytes = "GGUF" + raw(version) + raw(tensor_count) + raw(value_count) + values + tensors;
        bytes.resize((bytes.size() + alignment - 1) / alignment * alignment);
        return bytes + data;
    }
};

// Runs `body`, which must throw Error `code`; gives its message.
template <typename Body>
std::string thrown(const char* code, const char* file, int line, const Body& body) {
    try {
        body();
    } catch (const Error& error) {
        check(std::strcmp(error.code(), code) == 0, file, line, "expected ", code, ", got ", error.code(), ": ",
              error.what());
        return error.what();
    }
    check(false, file, line, "expected ", code, ", but nothing was thrown");
    return "";
}

inline bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace nd::test

// The message of the Error that `expression` throws, whose code must be `code`.
#define THROWN(code, expression) nd::test::thrown(code, __FILE__, __LINE__, [&] { (void)(expression); })
