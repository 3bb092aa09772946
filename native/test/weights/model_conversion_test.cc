// Converting models: what tensors become, that nothing half-written stays, and what is refused. That converted models
// compute the same is checked in native/test/engine/converted_model_test.cc.
#include "native/weights/model_conversion.h"

#include <ggml-backend.h>

#include <cmath>

#ifndef _WIN32
#include <sys/resource.h>

#include <csignal>
#endif

#include "native/test/weights/torch_files.h"
#include "native/weights/checks.h"
#include "native/weights/conversion_plan.h"
#include "native/weights/mapped_file.h"
#include "native/weights/model_file.h"
#include "native/weights/tensor_file.h"
#include "native/weights/weight_store.h"

using namespace nd::test;
using namespace nd::weights;

namespace {

const std::string kFixtures = std::string(ND_FIXTURES) + "/";

size_t files_in(const TemporaryFolder& folder) {
    size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder.path())) ++count;
    return count;
}

std::string content(const std::string& path) {
    const MappedFile file(path);
    return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

bool equal(const TensorSource& a, const TensorSource& b) {
    return a.type == b.type && a.shape == b.shape && a.size == b.size && std::memcmp(a.data, b.data, a.size) == 0;
}

// A linear layer, a convolution, a 1 x 1 one, a vector and a table of positions.
std::string small_model(const TemporaryFolder& folder) {
    return folder.write(
        "small.safetensors",
        safetensors({floats("unet.l.weight", {3, 64}, noise(192)), floats("unet.c.weight", {2, 64, 3, 3}, noise(1152)),
                     floats("unet.s.weight", {4, 32, 1, 1}, noise(128)), floats("unet.l.bias", {64}, noise(64)),
                     floats("unet.odd.weight", {2, 6}, noise(12)),
                     floats("text_encoder.text_model.embeddings.position_embedding.weight", {2, 32}, noise(64))}));
}

ConversionOptions as_type(const std::string& type) {
    ConversionOptions options;
    options.type = type;
    return options;
}

std::vector<std::byte> loaded(ggml_tensor* tensor) {
    std::vector<std::byte> bytes(ggml_nbytes(tensor));
    ggml_backend_tensor_get(tensor, bytes.data(), 0, bytes.size());
    return bytes;
}

}  // namespace

TEST("conversion: safetensors to gguf and back is the same, to the bit") {
    const TemporaryFolder folder;
    for (const char* name :
         {"sd1.safetensors", "sd2.safetensors", "deep.safetensors", "wide", "linear", "sdxl.safetensors"}) {
        const std::string there = folder.path("there.gguf"), back = folder.path("back.safetensors");
        const ConversionResult result = convert_model(kFixtures + name, there, {});
        CHECK(result.format == "gguf" && result.bytes == std::filesystem::file_size(there), name);
        convert_model(there, back, {});
        const ModelFile original = ModelFile::open(kFixtures + name);
        for (const std::string& path : {there, back}) {
            const ModelFile copy = ModelFile::open(path);
            CHECK(copy.tensors().size() == original.tensors().size() && copy.tensors().size() == result.tensors, name);
            for (const auto& [tensor_name, tensor] : original.tensors())
                CHECK(equal(copy.at(tensor_name), tensor), name, " ", tensor_name);
            CHECK(copy.config() == original.config() && copy.merges() == original.merges(), name);
        }
    }
}

TEST("conversion: the same bytes whatever the number of threads") {
    const TemporaryFolder folder;
    ConversionOptions options = as_type("q4_0");
    convert_model(kFixtures + "sd1.safetensors", folder.path("one.gguf"), options);
    options.threads = 5;
    convert_model(kFixtures + "sd1.safetensors", folder.path("five.gguf"), options);
    CHECK(content(folder.path("one.gguf")) == content(folder.path("five.gguf")));
}

TEST("conversion: every type holds what loading in that precision makes") {
    const TemporaryFolder folder;
    const std::string input = small_model(folder), output = folder.path("out.gguf");
    for (const char* type : {"f32", "f16", "bf16", "q8_0", "q4_0", "q5_1", "iq4_nl"}) {
        convert_model(input, output, as_type(type));
        std::vector<std::vector<std::byte>> values;
        for (const std::string& path : {input, output}) {
            const ModelFile file = ModelFile::open(path);
            LoadOptions options;
            options.precision = path == input ? type : "auto";
            options.pack = false;
            WeightStore store(file, options);
            ggml_tensor* tensors[] = {
                store.matrix("unet.l.weight", 3, 64),
                store.convolution("unet.c.weight", 2, 64, 3),
                store.convolution("unet.s.weight", 4, 32, 1),
                store.vector("unet.l.bias", 64),
                store.matrix("unet.odd.weight", 2, 6),
                store.table("text_encoder.text_model.embeddings.position_embedding.weight", 2, 32)};
            store.load(ggml_backend_cpu_buffer_type());
            for (ggml_tensor* tensor : tensors) values.push_back(loaded(tensor));
        }
        for (size_t i = 0; i < 6; ++i) CHECK(values[i] == values[i + 6], type, " ", i);
    }
}

TEST("conversion: quantised weights become whole again, convolutions in their own order") {
    const TemporaryFolder folder;
    convert_model(small_model(folder), folder.path("q.gguf"), as_type("q8_0"));
    const ModelFile quantised = ModelFile::open(folder.path("q.gguf"));
    CHECK(quantised.at("unet.c.weight").shape == std::vector<int64_t>({2, 9, 64}));
    CHECK(quantised.at("unet.s.weight").shape == std::vector<int64_t>({4, 32}));
    CHECK(quantised.at("unet.odd.weight").type == GGML_TYPE_F16);
    convert_model(folder.path("q.gguf"), folder.path("f.safetensors"), as_type("f32"));
    convert_model(folder.path("q.gguf"), folder.path("h.safetensors"), {});
    const ModelFile whole = ModelFile::open(folder.path("f.safetensors"));
    const ModelFile original = ModelFile::open(folder.path("small.safetensors"));
    CHECK(whole.at("unet.c.weight").shape == std::vector<int64_t>({2, 64, 3, 3}));
    std::vector<float> a(1152), b(1152);
    std::memcpy(a.data(), original.at("unet.c.weight").data, a.size() * sizeof(float));
    std::memcpy(b.data(), whole.at("unet.c.weight").data, b.size() * sizeof(float));
    float worst = 0;
    for (size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(a[i] - b[i]));
    CHECK(worst > 0 && worst < 1.0f / 127, worst);
    CHECK(ModelFile::open(folder.path("h.safetensors")).at("unet.c.weight").type == GGML_TYPE_F16);
}

TEST("conversion: rules by pattern, the first that matches") {
    CHECK(matches("vae.decoder.conv_in.weight", "vae.*") && !matches("unet.vae.x", "vae.*"));
    CHECK(matches("a.to_k.weight", "*.to_k.*") && matches("x", "*") && matches("", "*") && matches("", ""));
    CHECK(matches("ab", "a**b") && !matches("ab", "a*bc") && !matches("a", "") && matches("a.b", "a.b"));
    CHECK(!matches(std::string(60000, 'a'), "a*a*a*a*a*a*a*a*a*a*b"), "no pattern takes long");
    const TemporaryFolder folder;
    ConversionOptions options = as_type("q4_0");
    options.rules = {{"unet.c.*", "f16"}, {"*.bias", "f16"}, {"unet.*", "q8_0"}, {"*", "auto"}};
    const ConversionResult result = convert_model(small_model(folder), folder.path("r.gguf"), options);
    const ModelFile model = ModelFile::open(folder.path("r.gguf"));
    CHECK(model.at("unet.c.weight").type == GGML_TYPE_F16 && model.at("unet.l.bias").type == GGML_TYPE_F16);
    CHECK(model.at("unet.l.weight").type == GGML_TYPE_Q8_0);
    CHECK(model.at("text_encoder.text_model.embeddings.position_embedding.weight").type == GGML_TYPE_F32);
    CHECK(result.type_bytes.at("q8_0") == 3 * 68 + 4 * 34 && result.parameters == 192 + 1152 + 128 + 64 + 12 + 64);
}

TEST("conversion: norms, biases and positions stay floats") {
    const TemporaryFolder folder;
    ConversionOptions options = as_type("q8_0");
    options.rules = {{"*", "q4_0"}};
    convert_model(small_model(folder), folder.path("n.gguf"), options);
    const ModelFile model = ModelFile::open(folder.path("n.gguf"));
    CHECK(model.at("unet.l.bias").type == GGML_TYPE_F32);
    CHECK(model.at("text_encoder.text_model.embeddings.position_embedding.weight").type == GGML_TYPE_F32);
    convert_model(small_model(folder), folder.path("n.gguf"), as_type("f16"));
    CHECK(ModelFile::open(folder.path("n.gguf")).at("unet.l.bias").type == GGML_TYPE_F32);
}

TEST("conversion: another file's VAE in place of the model's own") {
    const TemporaryFolder folder;
    ConversionOptions options;
    options.vae = kFixtures + "deep.safetensors";
    convert_model(kFixtures + "sd1.safetensors", folder.path("m.safetensors"), options);
    const ModelFile mixed = ModelFile::open(folder.path("m.safetensors"));
    const ModelFile sd1 = ModelFile::open(kFixtures + "sd1.safetensors"), deep = ModelFile::open(options.vae);
    size_t vae = 0;
    for (const auto& [name, tensor] : mixed.tensors()) {
        const bool other = name.starts_with("vae.");
        CHECK(equal(tensor, (other ? deep : sd1).at(name)), name);
        vae += other;
    }
    CHECK(vae > 50 && mixed.config()["vae"] == deep.config().at("vae") &&
          mixed.config()["unet"] == sd1.config().at("unet"));
    options.vae = small_model(folder);
    THROWN("MISSING_COMPONENT", convert_model(kFixtures + "sd1.safetensors", folder.path("m.safetensors"), options));
}

TEST("conversion: what fails leaves what was there, and nothing beside it") {
    const TemporaryFolder folder;
    const std::string output = folder.write("out.gguf", "precious");
    const auto untouched = [&] { return content(output) == "precious" && files_in(folder) == 1; };
    ConversionOptions options;
    THROWN("FILE_NOT_FOUND", convert_model(folder.path("none"), output, options));
    CHECK(untouched());
    std::atomic<bool> cancelled{false};
    options.cancelled = &cancelled;
    options.on_progress = [&](double) { cancelled = true; };
    THROWN("ABORTED", convert_model(kFixtures + "sd1.safetensors", output, options));
    CHECK(untouched());
    options = {};
    options.on_progress = [](double) { throw std::bad_alloc(); };
    try {
        convert_model(kFixtures + "sd1.safetensors", output, options);
        CHECK(false, "nothing was thrown");
    } catch (const std::bad_alloc&) {
    }
    CHECK(untouched());
    THROWN("FILE_NOT_WRITABLE", convert_model(kFixtures + "sd1.safetensors", folder.path("no/such/folder.gguf"), {}));
    std::filesystem::create_directories(folder.path("folder.gguf"));
    THROWN("FILE_NOT_WRITABLE", convert_model(kFixtures + "sd1.safetensors", folder.path("folder.gguf"), {}));
    CHECK(files_in(folder) == 2);
}

#ifndef _WIN32
TEST("conversion: a disk that is full leaves nothing behind") {
    const TemporaryFolder folder;
    rlimit before{};
    getrlimit(RLIMIT_FSIZE, &before);
    const auto handler = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit small{100000, before.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
    const std::string message =
        THROWN("FILE_NOT_WRITABLE", convert_model(kFixtures + "sd1.safetensors", folder.path("out.gguf"), {}));
    setrlimit(RLIMIT_FSIZE, &before);
    std::signal(SIGXFSZ, handler);
    CHECK(contains(message, "out.gguf") && files_in(folder) == 0, message);
}
#endif

TEST("conversion: endings, types and tensors that cannot be") {
    const TemporaryFolder folder;
    const std::string input = small_model(folder);
    for (const char* name : {"out", "out.ckpt", "gguf", "out.gguf.txt"})
        CHECK(contains(THROWN("INVALID_ARGUMENT", convert_model(input, folder.path(name), {})), ".gguf"), name);
    CHECK(contains(THROWN("INVALID_ARGUMENT", convert_model(input, folder.path("o.gguf"), as_type("q9"))), "q8_0"));
    CHECK(contains(THROWN("INVALID_ARGUMENT", convert_model(input, folder.path("o.safetensors"), as_type("q8_0"))),
                   "no quantised types"));
    ConversionOptions options;
    options.rules = {{"*", "q4_k"}};
    THROWN("INVALID_ARGUMENT", convert_model(input, folder.path("o.safetensors"), options));
    options.rules = {{"unet.*", "f16"}, {"unte.*", "f16"}};
    CHECK(contains(THROWN("INVALID_ARGUMENT", convert_model(input, folder.path("o.gguf"), options)), "got unte.*"));
    const std::string half = R"({"unet.conv_in.weight":{"dtype":"F8_E4M3","shape":[2],"data_offsets":[0,2]})";
    const std::string bias = R"(,"unet.conv_in.bias":{"dtype":"F16","shape":[1],"data_offsets":[2,4]}})";
    const std::string eighths = folder.write("f8.safetensors", safetensors(half + bias, "1234"));
    CHECK(contains(THROWN("UNSUPPORTED_TYPE", convert_model(eighths, folder.path("o.gguf"), {})), "F8_E4M3"));
    const std::string infinite = folder.write(
        "inf.safetensors", safetensors({floats("unet.l.weight", {1, 32}, std::vector<float>(32, INFINITY))}));
    THROWN("FILE_INVALID", convert_model(infinite, folder.path("o.gguf"), as_type("q8_0")));
    convert_model(input, folder.path("UPPER.GGUF"), {});
    CHECK(files_in(folder) == 4);
}

namespace {

// The values of a tensor, all of it.
std::vector<float> values_of(const TensorSource& tensor) {
    RowPlan plan;
    plan.inner = static_cast<int64_t>(*element_count(tensor.shape));
    plan.rows = 1;
    std::vector<float> values(static_cast<size_t>(plan.inner));
    ConvertBuffers buffers;
    convert_rows(tensor, plan, 0, 1, reinterpret_cast<std::byte*>(values.data()), buffers);
    return values;
}

}  // namespace

TEST("conversion: what stable-diffusion.cpp converts holds the values that others read in it") {
    const std::string fixtures = kFixtures + "../checkpoints/sdcpp.";
    const TensorFile expected = open_tensor_file(fixtures + "values.safetensors");
    const ModelFile original = ModelFile::open(fixtures + "safetensors");
    size_t quantised = 0;
    for (const std::string type : {"f16", "q8_0", "q4_0", "q4_k"}) {
        const ModelFile model = ModelFile::open(fixtures + type + ".gguf");
        CHECK(model.tensors().size() == 10 && model.has_component("unet.") && model.has_component("vae."), type);
        for (const auto& [name, tensor] : model.tensors()) {
            if (!ggml_is_quantized(tensor.type)) {
                CHECK(equal(tensor, original.at(name)), type, " ", name);
                continue;
            }
            ++quantised;
            const auto& want = expected.contents.tensors.at(std::string(type).append(".").append(tensor.file_name));
            const std::vector<float> got = values_of(tensor), wanted = values_of(want);
            CHECK(tensor.shape == want.shape && got.size() == wanted.size(), type, " ", name);
            for (size_t i = 0; i < got.size(); ++i)
                CHECK(std::abs(got[i] - wanted[i]) <= 1e-6f * std::max(1.0f, std::abs(wanted[i])), type, " ", name);
        }
    }
    CHECK(quantised == expected.contents.tensors.size() && quantised == 13, quantised);
}

TEST("conversion: Q8_0 is what stable-diffusion.cpp makes of the same weights, to the bit") {
    const TemporaryFolder folder;
    const std::string fixtures = kFixtures + "../checkpoints/sdcpp.";
    convert_model(fixtures + "safetensors", folder.path("ours.gguf"), as_type("q8_0"));
    const ModelFile theirs = ModelFile::open(fixtures + "q8_0.gguf"), ours = ModelFile::open(folder.path("ours.gguf"));
    int same = 0;
    for (const auto& [name, tensor] : ours.tensors()) {
        if (tensor.type != GGML_TYPE_Q8_0) continue;
        CHECK(equal(tensor, theirs.at(name)), name);
        ++same;
    }
    CHECK(same == 3, same);
}
