// Reading GGUF: good files, and every way in which one can lie.
#include "native/weights/gguf.h"

#include "native/test/weights/model_files.h"

using namespace nd::test;
using namespace nd::weights;

namespace {

std::string refused(const std::string& bytes) {
    const TemporaryFolder folder;
    const MappedFile file(folder.write("bad.gguf", bytes));
    return THROWN("FILE_INVALID", read_gguf(file));
}

GgufWriter small() {
    GgufWriter writer;
    writer.value("general.quantization_version", 4, raw(uint32_t{2}))
        .text("node-diffusion.config", "{}")
        .value("words", 9, raw(uint32_t{8}) + raw(uint64_t{2}) + gguf_text("one") + gguf_text("two"))
        .value("numbers", 9, raw(uint32_t{6}) + raw(uint64_t{3}) + raw(std::vector<float>{1, 2, 3}))
        .tensor(floats("a", {3, 2}, {1, 2, 3, 4, 5, 6}))
        .tensor({"a name that is far longer than the sixty-three characters that ggml's own reader takes",
                 {2, 64},
                 GGML_TYPE_Q8_0,
                 std::string(4 * 34, '\1')})
        .tensor({"ints", {4}, GGML_TYPE_I32, std::string(16, '\0')});
    return writer;
}

}  // namespace

TEST("gguf: types, shapes outermost first, bytes and metadata") {
    const TemporaryFolder folder;
    for (uint32_t version : {2u, 3u}) {
        GgufWriter writer = small();
        writer.version = version;
        const MappedFile file(folder.write("good", writer.file()));
        CHECK(looks_like_gguf(file));
        const FileContents contents = read_gguf(file);
        CHECK(contents.tensors.size() == 2);
        const TensorSource& a = contents.tensors.at("a");
        CHECK(a.shape == std::vector<int64_t>({3, 2}) && a.type == GGML_TYPE_F32 && a.size == 24);
        float last;
        std::memcpy(&last, a.data + 20, 4);
        CHECK(last == 6);
        CHECK(contents.unreadable.at("ints") == "i32");
        CHECK(contents.metadata.at("node-diffusion.config") == "{}");
    }
}

TEST("gguf: another alignment") {
    const TemporaryFolder folder;
    GgufWriter writer;
    writer.alignment = 8;
    writer.value("general.alignment", 4, raw(uint32_t{8})).tensor(floats("a", {1}, {1})).tensor(floats("b", {1}, {2}));
    const MappedFile file(folder.write("good", writer.file()));
    const FileContents contents = read_gguf(file);
    float b;
    std::memcpy(&b, contents.tensors.at("b").data, 4);
    CHECK(b == 2);
}

TEST("gguf: a file cut off anywhere is refused") {
    const TemporaryFolder folder;
    const std::string whole = small().file();
    const size_t data_end = whole.size() - 16;  // the last tensor has 16 bytes, then padding
    for (size_t length = 4; length < data_end; ++length) {
        const MappedFile file(folder.write("cut", whole.substr(0, length)));
        THROWN("FILE_INVALID", read_gguf(file));
    }
}

TEST("gguf: absurd counts, lengths and versions") {
    const std::string magic = "GGUF" + raw(uint32_t{3});
    for (uint64_t n : {uint64_t{1}, uint64_t{1} << 32, uint64_t{1} << 63, UINT64_MAX}) {
        refused(magic + raw(n) + raw(uint64_t{0}));
        refused(magic + raw(uint64_t{0}) + raw(n));
        refused(magic + raw(uint64_t{0}) + raw(uint64_t{1}) + raw(n + 100) + std::string(64, 'k'));
        GgufWriter strings, numbers, text;
        refused(strings.value("a", 9, raw(uint32_t{8}) + raw(n + 100)).file());
        refused(numbers.value("a", 9, raw(uint32_t{10}) + raw(n + 100)).file());
        refused(text.value("a", 8, raw(n + 100)).file());
    }
    for (uint32_t version : {0u, 1u, 4u, 0x03000000u}) {
        GgufWriter writer;
        writer.version = version;
        CHECK(contains(refused(writer.file()), "version"));
    }
}

TEST("gguf: metadata that lies") {
    for (uint32_t alignment : {0u, 3u, 48u}) {
        CHECK(contains(refused(GgufWriter().value("general.alignment", 4, raw(alignment)).file()), "power of two"));
    }
    CHECK(contains(refused(GgufWriter()
                               .value("general.alignment", 8, gguf_text("32"))
                               .tensor(floats("a", {1}, {1}))
                               .value("x", 99, "")
                               .file()),
                   "unknown type"));
    CHECK(contains(refused(GgufWriter().value("general.alignment", 10, raw(uint64_t{32})).file()), "uint32"));
    CHECK(contains(refused(GgufWriter().value("a", 13, "").file()), "unknown type"));
    CHECK(contains(refused(GgufWriter().value("a", 9, raw(uint32_t{9}) + raw(uint64_t{1})).file()), "unknown type"));
}

TEST("gguf: tensors that lie") {
    const auto check_refused = [](const std::vector<int64_t>& ne, uint32_t type, uint64_t offset,
                                  const std::string& reason) {
        GgufWriter writer;
        writer.describe("t", ne, type, offset).data = std::string(64, '\0');
        const std::string message = refused(writer.file());
        CHECK(contains(message, reason), message);
    };
    check_refused({4}, 42, 0, "unknown type");
    check_refused({4}, UINT32_MAX, 0, "unknown type");
    for (uint32_t removed : {4u, 5u, 31u, 32u, 33u, 36u, 37u, 38u}) check_refused({4}, removed, 0, "removed");
    check_refused({33}, GGML_TYPE_Q8_0, 0, "multiple of 32");
    check_refused({32}, GGML_TYPE_Q4_K, 0, "multiple of 256");
    check_refused({-1}, 0, 0, "negative");
    check_refused({INT64_MIN, 0}, 0, 0, "negative");
    check_refused({INT64_MAX}, 0, 0, "too large");
    check_refused({int64_t{1} << 32, int64_t{1} << 32}, 0, 0, "too large");
    check_refused({int64_t{1} << 31, 0, int64_t{1} << 32}, 0, 0, "too large");
    check_refused({int64_t{1} << 60}, 0, 0, "more than the file has");
    check_refused({1, 1, 1, 1, 1}, 0, 0, "dimensions");
    check_refused({4}, 0, 4, "multiple of 32");
    check_refused({4}, 0, 64, "cut off");
    check_refused({4}, 0, UINT64_MAX - 31, "cut off");
    check_refused({17}, 0, 0, "cut off");
    GgufWriter twice, over;
    twice.describe("t", {4}, 0, 0).describe("t", {4}, 0, 32).data = std::string(64, '\0');
    CHECK(contains(refused(twice.file()), "two tensors"));
    over.describe("t", {12}, 0, 0).describe("u", {4}, 0, 32).data = std::string(64, '\0');
    CHECK(contains(refused(over.file()), "share bytes"));
}
