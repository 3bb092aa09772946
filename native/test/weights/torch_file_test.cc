// Reading PyTorch's files: those that torch wrote (test/fixtures/checkpoints), and every way in which one can lie.
#include "native/weights/torch_file.h"

#include "native/test/weights/torch_files.h"
#include "native/weights/tensor_file.h"

using namespace nd::test;
using namespace nd::weights;

namespace {

const std::string kFixtures = ND_FIXTURES "/../checkpoints/";

bool equal(const TensorSource& a, const TensorSource& b) {
    return a.type == b.type && a.shape == b.shape && a.size == b.size &&
           (a.size == 0 || std::memcmp(a.data, b.data, a.size) == 0);
}

std::string refused(const std::string& bytes, const char* code = "FILE_INVALID") {
    const TemporaryFolder folder;
    const MappedFile file(folder.write("bad.ckpt", bytes));
    return THROWN(code, read_torch(file));
}

// A file of one tensor with a storage of `bytes`.
std::string file_of(const TorchLayout& layout, const std::string& bytes = std::string(48, 'x')) {
    PickleWriter pickle;
    pickle.raw_bytes("}").text("t");
    write_tensor(pickle, layout);
    return ZipWriter().add("m/data.pkl", pickle.raw_bytes("s").end()).add("m/data/0", bytes).file();
}

std::string file_with(const std::string& pickle) {
    return ZipWriter().add("m/data.pkl", pickle).add("m/data/0", std::string(48, 'x')).file();
}

const std::string kLegacyFront = std::string("\x80\x02\x8a\x0a") + "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

std::string legacy_file(const TorchLayout& layout, const std::string& storages, const std::string& keys,
                        const std::string& system = "}") {
    PickleWriter object;
    object.raw_bytes("}").text("t");
    write_tensor(object, layout, true);
    return kLegacyFront + "\x80\x02M\xe9\x03." + "\x80\x02" + system + "." + object.raw_bytes("s").end() + "\x80\x02" +
           keys + "." + storages;
}

const std::string kOneKey = "]X" + raw(uint32_t{1}) + "0a";

}  // namespace

TEST("torch file: what torch wrote, in both formats") {
    const TensorFile expected = open_tensor_file(kFixtures + "expected.safetensors");
    for (const char* name : {"tensors.ckpt", "tensors.legacy.ckpt"}) {
        const TensorFile file = open_tensor_file(kFixtures + name);
        CHECK(file.format == "pytorch" && file.contents.tensors.size() == 10, name, " ", file.contents.tensors.size());
        for (const auto& [tensor_name, tensor] : file.contents.tensors)
            CHECK(equal(tensor, expected.contents.tensors.at(tensor_name)), name, " ", tensor_name);
        CHECK(file.contents.owned.size() == 3, "the three that do not lie in order are copied");
        CHECK(file.contents.tensors.at("tied").data == file.contents.tensors.at("tied_too").data);
        CHECK(file.contents.unreadable.at("position_ids") == "I64" && file.contents.unreadable.at("double") == "F64");
        CHECK(file.contents.unreadable.at("eighth") == "float8_e4m3fn" && file.contents.unreadable.size() == 3);
        CHECK(file.contents.metadata.at("epoch") == "3" && file.contents.metadata.at("global_step") == "1234");
    }
}

TEST("torch file: an embedding's parameters and an upscaler's better half") {
    const TensorFile expected = open_tensor_file(kFixtures + "expected.safetensors");
    const TensorFile embedding = open_tensor_file(kFixtures + "parameters.pt");
    CHECK(embedding.contents.tensors.size() == 1 && embedding.contents.metadata.at("name") == "a-word");
    CHECK(equal(embedding.contents.tensors.at("string_to_param.*"),
                expected.contents.tensors.at("embedding.string_to_param.*")));
    const TensorFile upscaler = open_tensor_file(kFixtures + "upscaler.pth");
    CHECK(upscaler.contents.tensors.size() == 1);
    CHECK(equal(upscaler.contents.tensors.at("conv.weight"), expected.contents.tensors.at("upscaler.conv.weight")));
}

TEST("torch file: the tests' own writer agrees") {
    const TemporaryFolder folder;
    const std::vector<TestTensor> tensors = {
        floats("a", {2, 3}, noise(6)), {"b", {2}, GGML_TYPE_F16, "half"}, {"c", {}, GGML_TYPE_BF16, "bf"}};
    const TensorFile torch = open_tensor_file(folder.write("m.ckpt", torch_file(tensors)));
    const TensorFile plain = open_tensor_file(folder.write("m.safetensors", safetensors(tensors)));
    CHECK(torch.contents.tensors.size() == 3);
    for (const auto& [name, tensor] : torch.contents.tensors)
        CHECK(equal(tensor, plain.contents.tensors.at(name)), name);
    CHECK(torch.contents.owned.empty(), "views into the mapped file");
}

TEST("torch file: cut off anywhere") {
    const TemporaryFolder folder;
    for (const char* name : {"upscaler.pth", "parameters.pt"}) {
        const MappedFile whole(kFixtures + name);
        const std::string bytes(reinterpret_cast<const char*>(whole.bytes().data()), whole.bytes().size());
        for (size_t length = 26; length < bytes.size(); ++length) refused(bytes.substr(0, length));
    }
}

TEST("torch file: shapes, strides and offsets that lie") {
    const auto does_not_fit = [](const TorchLayout& layout) {
        CHECK(contains(refused(file_of(layout)), "does not fit its storage"), layout.shape.size());
    };
    const int64_t huge = int64_t{1} << 61;
    does_not_fit({{13}, {1}});
    does_not_fit({{12}, {1}, 1});
    does_not_fit({{3, 4}, {5, 1}});
    does_not_fit({{2, 2}, {huge, 1}});
    does_not_fit({{2, 2}, {INT64_MAX, INT64_MAX}});
    does_not_fit({{1}, {1}, huge, huge});
    does_not_fit({{1}, {1}, INT64_MAX, 12});
    does_not_fit({{12}, {1}, 0, 11});
    does_not_fit({{0}, {1}, 13, 12});
    does_not_fit({{1000000}, {0}, 0, 12});  // one value, repeated
    does_not_fit({{1000, 1000, 1000}, {0, 0, 0}, 0, 12});
    CHECK(contains(refused(file_of({{huge, huge}, {1, 1}, 0, 12})), "too large"));
    CHECK(contains(refused(file_of({{-1}, {1}, 0, 12})), "non-negative"));
    CHECK(contains(refused(file_of({{4}, {-1}, 11, 12})), "non-negative"));
    CHECK(contains(refused(file_of({{4}, {1}, -1, 12})), "non-negative"));
    CHECK(contains(refused(file_of({{2, 2}, {1}, 0, 12})), "as many"));
    CHECK(contains(refused(file_of({std::vector<int64_t>(9, 1), std::vector<int64_t>(9, 1)})), "at most 8"));
    CHECK(contains(refused(file_of({{2}, {1}, 0, 2, "FloatStorage", "../../secret"})), "is not in the file"));
    refused(file_of({{2}, {1}, 0, 2, "MagicStorage"}), "UNSUPPORTED_TYPE");
}

TEST("torch file: values that do not lie in order are put in order") {
    const TemporaryFolder folder;
    std::vector<float> values(12);
    for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
    const auto read = [&](const TorchLayout& layout) {
        const TensorFile file = open_tensor_file(folder.write("t.pt", file_of(layout, raw(values))));
        const TensorSource& t = file.contents.tensors.at("t");
        std::vector<float> got(t.size / sizeof(float));
        std::memcpy(got.data(), t.data, t.size);
        return got;
    };
    CHECK(read({{3, 2}, {1, 3}, 0, 12}) == std::vector<float>({0, 3, 1, 4, 2, 5}));
    CHECK(read({{2, 2, 2}, {6, 1, 3}, 0, 12}) == std::vector<float>({0, 3, 1, 4, 6, 9, 7, 10}));
    CHECK(read({{2, 3}, {4, 1}, 5, 12}) == std::vector<float>({5, 6, 7, 9, 10, 11}));
    CHECK(read({{4}, {3}, 2, 12}) == std::vector<float>({2, 5, 8, 11}));
    CHECK(read({{3}, {0}, 4, 12}) == std::vector<float>({4, 4, 4}));
    CHECK(read({{1, 3}, {99, 1}, 9, 12}) == std::vector<float>({9, 10, 11}), "a stride that is never taken");
}

TEST("torch file: a small file that claims to be a large model") {
    PickleWriter pickle;
    pickle.raw_bytes("}(");
    for (int i = 0; i < 600; ++i) {
        pickle.text("t" + std::to_string(i));
        if (i == 0) {
            write_tensor(pickle, {{25000}, {1}});
            pickle.raw_bytes("q\x01");
        } else {
            pickle.raw_bytes("h\x01");
        }
    }
    const std::string file =
        ZipWriter().add("m/data.pkl", pickle.raw_bytes("u").end()).add("m/data/0", std::string(100000, 'x')).file();
    CHECK(contains(refused(file), "times the bytes"));
}

TEST("torch file: objects that are no dictionaries of tensors") {
    for (const char* object : {"N", "]", "K\x01", ")", "}", "}X\x01\0\0\0aNs", "cos\nsystem\n(X\x01\0\0\0atR"}) {
        const std::string message = refused(file_with(PickleWriter().raw_bytes(std::string(object)).end()));
        CHECK(!message.empty(), message);
    }
    CHECK(contains(refused(file_with(PickleWriter().raw_bytes("}q\x01").text("a").raw_bytes("h\x01s").end())),
                   "no tensors"));
    // A module whose parameters are itself, within itself.
    CHECK(contains(refused(file_with(PickleWriter()
                                         .global("torch.nn", "Module")
                                         .raw_bytes(")\x81q\x01}")
                                         .text("_parameters")
                                         .raw_bytes("h\x01sb")
                                         .end())),
                   "no tensors"));
}

TEST("torch file: dictionaries that share and contain each other are each walked once") {
    const TemporaryFolder folder;
    PickleWriter pickle;
    pickle.raw_bytes("}q\x01(").text("t");
    write_tensor(pickle, {{12}, {1}});
    for (int i = 0; i < 20000; ++i) pickle.text("self" + std::to_string(i)).raw_bytes("h\x01");
    const std::string file = file_with(pickle.raw_bytes("u").end());
    CHECK(open_tensor_file(folder.write("m", file)).contents.tensors.size() == 1);
}

TEST("torch file: names twice, names too long, storages that are none") {
    PickleWriter twice;
    twice.raw_bytes("}(");
    for (int i = 0; i < 2; ++i) write_tensor(twice.text("t"), {{2}, {1}});
    CHECK(contains(refused(file_with(twice.raw_bytes("u").end())), "two tensors are named"));
    PickleWriter longer;
    write_tensor(longer.raw_bytes("}").text(std::string(5000, 'n')), {{2}, {1}});
    CHECK(contains(refused(file_with(longer.raw_bytes("s").end())), "a name of 5000 bytes"));
    for (const char* storage : {"NQ", ")Q", "(NNNNNtQ", "K\x01"}) {
        PickleWriter pickle;
        pickle.raw_bytes("}").text("t").global("torch._utils", "_rebuild_tensor_v2").raw_bytes("(");
        pickle.raw_bytes(storage).integer(0).tuple({1}).tuple({1}).raw_bytes("\x89NtRs");
        CHECK(contains(refused(file_with(pickle.end())), "something else"), storage);
    }
    PickleWriter few;
    few.raw_bytes("}").text("t").global("torch._utils", "_rebuild_tensor_v2").raw_bytes("NN\x86Rs");
    CHECK(contains(refused(file_with(few.end())), "described by 2"));
}

TEST("torch file: tensors of kinds that are not weights are listed, not read") {
    const TemporaryFolder folder;
    PickleWriter pickle;
    pickle.raw_bytes("}").text("q").global("torch._utils", "_rebuild_qtensor").raw_bytes("NNN\x87Rs");
    const TensorFile file = open_tensor_file(folder.write("q.pt", file_with(pickle.end())));
    CHECK(file.contents.tensors.empty() && contains(file.contents.unreadable.at("q"), "_rebuild_qtensor"));
}

TEST("torch file: archives that are something else") {
    CHECK(contains(refused(ZipWriter().add("word/document.xml", "x").file()), "data.pkl"));
    CHECK(contains(refused(ZipWriter().add("a/data.pkl", "x").add("b/data.pkl", "x").file()), "two entries"));
    CHECK(contains(refused(ZipWriter().add("m/data.pkl", "x").add("m/constants.pkl", "x").file(), "UNSUPPORTED_TYPE"),
                   "TorchScript"));
    CHECK(contains(refused(ZipWriter().add("m/data.pkl", "x").add("m/byteorder", "big").file(), "UNSUPPORTED_TYPE"),
                   "big-endian"));
    ZipWriter compressed = ZipWriter().add("m/data.pkl", "x");
    compressed.entries[0].method = 8;
    refused(compressed.file(), "UNSUPPORTED_TYPE");
}

TEST("torch file: the old format, and how it can lie") {
    const TemporaryFolder folder;
    const TorchLayout layout{{2}, {1}};
    const std::string storage = raw(uint64_t{2}) + "12345678";
    const TensorFile good = open_tensor_file(folder.write("good", legacy_file(layout, storage, kOneKey)));
    CHECK(good.contents.tensors.at("t").size == 8 && good.contents.tensors.at("t").data[0] == std::byte{'1'});
    CHECK(contains(refused(legacy_file(layout, raw(uint64_t{3}) + "12345678", kOneKey)), "cut off"));
    CHECK(contains(refused(legacy_file(layout, raw(UINT64_MAX) + "12345678", kOneKey)), "cut off"));
    CHECK(contains(refused(legacy_file(layout, raw(uint64_t{1} << 62) + "12345678", kOneKey)), "cut off"));
    CHECK(contains(refused(legacy_file(layout, raw(uint64_t{1}) + "1234", kOneKey)), "does not fit"));
    CHECK(contains(refused(legacy_file(layout, storage, "]")), "is not in the file"));
    CHECK(contains(refused(legacy_file(layout, storage, "N")), "list of storages"));
    CHECK(contains(refused(legacy_file(layout, storage,
                                       "]U\x01"
                                       "9a")),
                   "no tensor has"));
    CHECK(contains(refused(legacy_file(layout, storage + storage,
                                       "](U\x01"
                                       "0U\x01"
                                       "0e")),
                   "two storages"));
    CHECK(contains(refused(legacy_file(layout, storage, kOneKey, "}U\x0dlittle_endian\x89s"), "UNSUPPORTED_TYPE"),
                   "big-endian"));
    refused(kLegacyFront + "\x80\x02K\x01.", "UNSUPPORTED_TYPE");
}

TEST("torch file: flipped bytes give an error or tensors whose bytes can be read") {
    const TemporaryFolder folder;
    int opened = 0, refusals = 0;
    unsigned sum = 0;
    for (const char* name : {"tensors.ckpt", "tensors.legacy.ckpt"}) {
        const MappedFile whole(kFixtures + name);
        std::mt19937 random(7);
        for (int i = 0; i < 2000; ++i) {
            std::string bytes(reinterpret_cast<const char*>(whole.bytes().data()), whole.bytes().size());
            for (int flips = 0; flips < 3; ++flips) bytes[random() % bytes.size()] = static_cast<char>(random());
            try {
                const TensorFile file = open_tensor_file(folder.write("flipped", bytes));
                ++opened;
                for (const auto& [tensor_name, tensor] : file.contents.tensors) {
                    for (size_t b = 0; b < tensor.size; ++b) sum += std::to_integer<unsigned>(tensor.data[b]);
                }
            } catch (const nd::Error&) {
                ++refusals;
            }
        }
    }
    CHECK(opened > 0 && refusals > 0 && opened + refusals == 4000 && sum > 0, opened, " ", refusals);
}
