// Reading safetensors: good files, and every way in which one can lie.
#include "native/weights/safetensors.h"

#include "native/test/weights/model_files.h"

using namespace nd::test;
using namespace nd::weights;

namespace {

std::string refused(const TemporaryFolder& folder, const std::string& bytes) {
    const MappedFile file(folder.write("bad.safetensors", bytes));
    return THROWN("FILE_INVALID", read_safetensors(file));
}

std::string entry(const std::string& dtype, const std::string& shape, const std::string& offsets) {
    return "\"t\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}";
}

}  // namespace

TEST("safetensors: types, shapes, bytes and metadata") {
    const TemporaryFolder folder;
    const MappedFile file(
        folder.write("good", safetensors("{\"__metadata__\":{\"format\":\"pt\"},"
                                         "\"a\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[0,8]},"
                                         "\"b\":{\"dtype\":\"BF16\",\"shape\":[],\"data_offsets\":[8,10]},"
                                         "\"none\":{\"dtype\":\"F16\",\"shape\":[0,9],\"data_offsets\":[10,10]},"
                                         "\"ids\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[10,18]}}",
                                         raw(std::vector<float>{1.5f, -2.0f}) + "BF" + raw(int64_t{7}))));
    CHECK(looks_like_safetensors(file));
    const FileContents contents = read_safetensors(file);
    CHECK(contents.tensors.size() == 3);
    const TensorSource& a = contents.tensors.at("a");
    CHECK(a.type == GGML_TYPE_F32 && a.shape == std::vector<int64_t>({2, 1}) && a.size == 8);
    float values[2];
    std::memcpy(values, a.data, 8);
    CHECK(values[0] == 1.5f && values[1] == -2.0f);
    const TensorSource& b = contents.tensors.at("b");
    CHECK(b.type == GGML_TYPE_BF16 && b.shape.empty() && b.data[0] == std::byte{'B'} && b.size == 2);
    CHECK(contents.tensors.at("none").size == 0);
    CHECK(contents.unreadable.at("ids") == "I64");
    CHECK(contents.metadata.at("format") == "pt");
}

TEST("safetensors: a file cut off anywhere is refused") {
    const TemporaryFolder folder;
    const std::string whole = safetensors({floats("a", {2, 2}, {1, 2, 3, 4}), floats("b", {3}, {1, 2, 3})});
    for (size_t length = 1; length < whole.size(); ++length) {
        const MappedFile file(folder.write("cut", whole.substr(0, length)));
        THROWN("FILE_INVALID", read_safetensors(file));
    }
    const std::string message = refused(folder, whole.substr(0, whole.size() - 4));
    CHECK(contains(message, "at least " + std::to_string(whole.size()) + " bytes") &&
              contains(message, "got " + std::to_string(whole.size() - 4)),
          message);
}

TEST("safetensors: a header length that lies") {
    const TemporaryFolder folder;
    for (uint64_t length : {uint64_t{1}, uint64_t{100}, uint64_t{99'999'999}, uint64_t{100'000'001}, uint64_t{1} << 63,
                            UINT64_MAX, UINT64_MAX - 7, uint64_t{0}}) {
        refused(folder, raw(length) + "{}      ");
    }
}

TEST("safetensors: entries that lie") {
    const TemporaryFolder folder;
    const std::string data(64, '\0');
    const auto check_refused = [&](const std::string& body, const std::string& reason) {
        const std::string message = refused(folder, safetensors("{" + body + "}", data));
        CHECK(contains(message, reason), body, " -> ", message);
    };
    check_refused(entry("F32", "[2]", "[60,68]"), "cut off");
    check_refused(entry("F32", "[2]", "[18446744073709551608,18446744073709551615]"), "needs 8 bytes");
    check_refused(entry("F32", "[2]", "[18446744073709551600,18446744073709551608]"), "cut off");
    check_refused(entry("F32", "[2]", "[8,0]"), "before they begin");
    check_refused(entry("F32", "[2]", "[-8,0]"), "non-negative");
    check_refused(entry("F32", "[2]", "[0.0,8.0]"), "non-negative");
    check_refused(entry("F32", "[2]", "[0]"), "two");
    check_refused(entry("F32", "[2]", "{}"), "two");
    check_refused(entry("F32", "[3]", "[0,8]"), "needs 12 bytes");
    check_refused(entry("F16", "[2]", "[0,8]"), "needs 4 bytes");
    check_refused(entry("F32", "[-2]", "[0,8]"), "non-negative");
    check_refused(entry("F32", "[1e30]", "[0,8]"), "non-negative");
    check_refused(entry("F32", "[18446744073709551615]", "[0,8]"), "non-negative");
    check_refused(entry("F32", "[9223372036854775807]", "[0,8]"), "too large");
    check_refused(entry("F32", "[4294967296,4294967296]", "[0,0]"), "too large");
    check_refused(entry("F32", "[4611686018427387905,0,4]", "[0,8]"), "too large");
    check_refused(entry("F32", "\"two\"", "[0,8]"), "array");
    check_refused(entry("F33", "[2]", "[0,8]"), "unknown dtype");
    check_refused("\"t\":{\"shape\":[2],\"data_offsets\":[0,8]}", "no dtype");
    check_refused("\"t\":{\"dtype\":1,\"shape\":[2],\"data_offsets\":[0,8]}", "string");
    check_refused("\"t\":{\"dtype\":\"F32\",\"data_offsets\":[0,8]}", "no shape");
    check_refused("\"t\":{\"dtype\":\"F32\",\"shape\":[2]}", "no data_offsets");
    check_refused("\"t\":[]", "object");
    check_refused("\"__metadata__\":[]", "__metadata__");
    check_refused("\"__metadata__\":{\"a\":1}", "strings");
    check_refused(entry("F32", "[2]", "[0,8]") + ",\"u\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[4,12]}",
                  "share bytes");
}

TEST("safetensors: headers that are not JSON objects") {
    const TemporaryFolder folder;
    CHECK(contains(refused(folder, safetensors("{\"a\":")), "not valid JSON"));
    CHECK(contains(refused(folder, safetensors("[]")), "expected a JSON object"));
    CHECK(contains(refused(folder, safetensors("{\"\xff\xfe\":1}")), "not valid JSON"));
    std::string deep = "{\"a\":";
    for (int i = 0; i < 100000; ++i) deep += "[";
    CHECK(contains(refused(folder, safetensors(deep)), "deeper"));
    std::string objects;
    for (int i = 0; i < 100000; ++i) objects += "{\"a\":";
    CHECK(contains(refused(folder, safetensors(objects)), "deeper"));
}
