// Loading weights as rows: every number format, the order of convolutions, and what goes wrong.
#include "native/weights/weight_store.h"

#include <ggml-backend-impl.h>
#include <ggml-backend.h>

#include <cmath>
#include <limits>

#include "native/test/weights/model_files.h"

using namespace nd::test;
using namespace nd::weights;

namespace {

std::vector<float> to_floats(const ggml_tensor* tensor) {
    std::vector<float> values(static_cast<size_t>(ggml_nelements(tensor)));
    if (tensor->type == GGML_TYPE_F32) {
        std::memcpy(values.data(), tensor->data, ggml_nbytes(tensor));
    } else {
        ggml_get_type_traits(tensor->type)->to_float(tensor->data, values.data(), ggml_nelements(tensor));
    }
    return values;
}

std::string convert(ggml_type type, const std::vector<float>& values, int64_t row) {
    const int64_t rows = static_cast<int64_t>(values.size()) / row;
    std::string bytes(ggml_row_size(type, row) * static_cast<size_t>(rows), '\0');
    ggml_quantize_chunk(type, values.data(), bytes.data(), 0, rows, row, nullptr);
    return bytes;
}

// The root of the mean squared difference, over that of `want`.
double relative_error(const std::vector<float>& got, const std::vector<float>& want) {
    double error = 0, norm = 0;
    for (size_t i = 0; i < want.size(); ++i) {
        error += std::pow(static_cast<double>(got[i]) - want[i], 2);
        norm += std::pow(static_cast<double>(want[i]), 2);
    }
    return std::sqrt(error / norm);
}

// [out][in][taps] -> [out][taps][in]
std::vector<float> relaid(const std::vector<float>& values, int64_t out, int64_t in, int64_t taps) {
    std::vector<float> result(values.size());
    for (int64_t o = 0; o < out; ++o) {
        for (int64_t i = 0; i < in; ++i) {
            for (int64_t t = 0; t < taps; ++t) result[(o * taps + t) * in + i] = values[(o * in + i) * taps + t];
        }
    }
    return result;
}

struct Opened {
    explicit Opened(const std::string& bytes) : file(ModelFile::open(folder.write("model", bytes))) {}
    TemporaryFolder folder;
    ModelFile file;
};

LoadOptions with_precision(const std::string& precision, int threads = 1) {
    LoadOptions options;
    options.precision = precision;
    options.threads = threads;
    options.pack = false;
    return options;
}

ggml_backend_buffer_type_t cpu() {
    return ggml_backend_cpu_buffer_type();
}

}  // namespace

TEST("weight store: every precision keeps the values within its error") {
    struct Case {
        const char* precision;
        ggml_type type;
        double bound;  // relative error on values spread evenly over -1..1
    };
    const Case cases[] = {
        {"f32", GGML_TYPE_F32, 0},          {"f16", GGML_TYPE_F16, 4e-4},    {"bf16", GGML_TYPE_BF16, 3e-3},
        {"q8_0", GGML_TYPE_Q8_0, 6e-3},     {"q6_k", GGML_TYPE_Q6_K, 0.025}, {"q5_0", GGML_TYPE_Q5_0, 0.05},
        {"q5_1", GGML_TYPE_Q5_1, 0.05},     {"q5_k", GGML_TYPE_Q5_K, 0.05},  {"q4_0", GGML_TYPE_Q4_0, 0.1},
        {"q4_1", GGML_TYPE_Q4_1, 0.1},      {"q4_k", GGML_TYPE_Q4_K, 0.1},   {"iq4_nl", GGML_TYPE_IQ4_NL, 0.12},
        {"iq4_xs", GGML_TYPE_IQ4_XS, 0.12}, {"mxfp4", GGML_TYPE_MXFP4, 0.2}, {"nvfp4", GGML_TYPE_NVFP4, 0.2},
        {"q3_k", GGML_TYPE_Q3_K, 0.2},      {"q2_k", GGML_TYPE_Q2_K, 0.4},   {"tq2_0", GGML_TYPE_TQ2_0, 0.8},
        {"tq1_0", GGML_TYPE_TQ1_0, 0.8},    {"q1_0", GGML_TYPE_Q1_0, 0.8},
    };
    const std::vector<float> values = noise(3 * 256);
    const std::string file = safetensors({floats("unet.a.weight", {3, 256}, values)});
    for (const Case& c : cases) {
        const Opened opened(file);
        WeightStore store(opened.file, with_precision(c.precision));
        const ggml_tensor* a = store.matrix("unet.a.weight", 3, 256);
        store.load(cpu());
        CHECK(a->type == c.type, c.precision);
        CHECK(a->ne[0] == 256 && a->ne[1] == 3);
        const double error = relative_error(to_floats(a), values);
        CHECK(error <= c.bound, c.precision, ": error ", error);
        CHECK(std::string(store.type_name()) == ggml_type_name(c.type));
    }
}

TEST("weight store: auto keeps the file's types") {
    const std::vector<float> values = noise(2 * 256);
    for (ggml_type type : {GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_BF16, GGML_TYPE_Q8_0, GGML_TYPE_Q4_K, GGML_TYPE_Q4_0,
                           GGML_TYPE_IQ2_S}) {
        GgufWriter writer;
        const std::string bytes = convert(type, values, 256);
        writer.tensor({"unet.a.weight", {2, 256}, type, bytes});
        const Opened opened(writer.file());
        WeightStore store(opened.file, with_precision("auto"));
        const ggml_tensor* a = store.matrix("unet.a.weight", 2, 256);
        store.load(cpu());
        CHECK(a->type == type && std::memcmp(a->data, bytes.data(), bytes.size()) == 0, ggml_type_name(type));
    }
}

TEST("weight store: from any file type to any other") {
    const std::vector<float> values = noise(2 * 256);
    for (ggml_type from : {GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_BF16, GGML_TYPE_Q8_0, GGML_TYPE_Q6_K}) {
        for (const char* to : {"f32", "f16", "bf16", "q8_0", "q6_k"}) {
            GgufWriter writer;
            writer.tensor({"unet.a.weight", {2, 256}, from, convert(from, values, 256)});
            const Opened opened(writer.file());
            WeightStore store(opened.file, with_precision(to));
            const ggml_tensor* a = store.matrix("unet.a.weight", 2, 256);
            store.load(cpu());
            const double error = relative_error(to_floats(a), values);
            CHECK(error < 0.03, ggml_type_name(from), " -> ", to, ": error ", error);
        }
    }
}

TEST("weight store: convolutions become [out][tap][in]") {
    const int64_t out = 5, in = 64;
    for (int64_t kernel : {1, 3}) {
        const int64_t taps = kernel * kernel;
        const std::vector<float> values = noise(static_cast<size_t>(out * in * taps));
        const std::vector<float> want = relaid(values, out, in, taps);
        for (ggml_type from : {GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_BF16}) {
            const Opened opened(
                safetensors({{"unet.c.weight", {out, in, kernel, kernel}, from, convert(from, values, in * taps)}}));
            for (const char* to : {"auto", "f32", "f16", "q8_0"}) {
                WeightStore store(opened.file, with_precision(to, 2));
                const ggml_tensor* c = store.convolution("unet.c.weight", out, in, kernel);
                store.load(cpu());
                CHECK(c->ne[0] == in && c->ne[1] == taps && c->ne[2] == out);
                CHECK(c->type == (std::string(to) == "auto"  ? from
                                  : std::string(to) == "f32" ? GGML_TYPE_F32
                                  : std::string(to) == "f16" ? GGML_TYPE_F16
                                                             : GGML_TYPE_Q8_0));
                const double error = relative_error(to_floats(c), want);
                const double bound = from == GGML_TYPE_F32 && c->type == GGML_TYPE_F32 ? 0 : 0.01;
                CHECK(error <= bound, ggml_type_name(from), " -> ", to, ": error ", error);
            }
        }
    }
}

TEST("weight store: convolutions that a file has relaid already, quantised") {
    const std::vector<float> values = noise(2 * 9 * 32);
    GgufWriter writer;
    const std::string bytes = convert(GGML_TYPE_Q8_0, values, 32);
    writer.tensor({"unet.c.weight", {2, 9, 32}, GGML_TYPE_Q8_0, bytes});
    const Opened opened(writer.file());
    WeightStore store(opened.file, with_precision("auto"));
    const ggml_tensor* c = store.convolution("unet.c.weight", 2, 32, 3);
    store.load(cpu());
    CHECK(c->type == GGML_TYPE_Q8_0 && c->ne[1] == 9 && std::memcmp(c->data, bytes.data(), bytes.size()) == 0);
}

TEST("weight store: rows that do not fit a type's blocks") {
    const Opened opened(safetensors({zeros("unet.a.weight", {2, 288}), zeros("unet.b.weight", {2, 20}),
                                     zeros("unet.c.weight", {2, 4, 3, 3}), zeros("unet.d.weight", {2, 32, 3, 3})}));
    WeightStore store(opened.file, with_precision("q4_k"));
    CHECK(store.matrix("unet.a.weight", 2, 288)->type == GGML_TYPE_Q8_0);
    CHECK(store.matrix("unet.b.weight", 2, 20)->type == GGML_TYPE_F16);
    CHECK(store.convolution("unet.c.weight", 2, 4, 3)->type == GGML_TYPE_F16);
    CHECK(store.convolution("unet.d.weight", 2, 32, 3)->type == GGML_TYPE_Q8_0);
    store.load(cpu());
}

TEST("weight store: a convolution's quantised rows that run along its kernel") {
    // No writer makes such a file, but GGUF allows it: rows of 32 values along a kernel 32 wide.
    const std::vector<float> values = noise(1 * 2 * 32 * 32);
    GgufWriter writer;
    writer.tensor({"unet.c.weight", {1, 2, 32, 32}, GGML_TYPE_Q8_0, convert(GGML_TYPE_Q8_0, values, 32)});
    const Opened opened(writer.file());
    WeightStore store(opened.file, with_precision("auto"));
    const ggml_tensor* c = store.convolution("unet.c.weight", 1, 2, 32);
    store.load(cpu());
    CHECK(c->type == GGML_TYPE_F16);
    CHECK(relative_error(to_floats(c), relaid(values, 1, 2, 1024)) < 0.01);
}

TEST("weight store: vectors are f32, tables keep f32, f16 and bf16") {
    const std::vector<float> values = noise(64);
    for (ggml_type type : {GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_BF16, GGML_TYPE_Q8_0}) {
        GgufWriter writer;
        writer.tensor({"unet.v", {64}, type, convert(type, values, 64)})
            .tensor({"unet.t", {2, 32}, type, convert(type, values, 32)});
        const Opened opened(writer.file());
        WeightStore store(opened.file, with_precision("q4_0"));
        const ggml_tensor* v = store.vector("unet.v", 64);
        const ggml_tensor* t = store.table("unet.t", 2, 32);
        store.load(cpu());
        CHECK(v->type == GGML_TYPE_F32 && t->type == (type == GGML_TYPE_Q8_0 ? GGML_TYPE_F16 : type));
        CHECK(relative_error(to_floats(v), values) < 0.01 && relative_error(to_floats(t), values) < 0.01,
              ggml_type_name(type));
        CHECK(t->ne[0] == 32 && t->ne[1] == 2);
    }
}

TEST("weight store: a vocabulary's table is quantised where weights are") {
    const std::vector<float> values = noise(4096 * 32);
    const std::string file = safetensors({floats("unet.t", {4096, 32}, values)});
    for (const auto& [precision, type] :
         {std::pair{"f16", GGML_TYPE_F32}, {"q8_0", GGML_TYPE_Q8_0}, {"q4_0", GGML_TYPE_Q8_0}}) {
        const Opened opened(file);
        WeightStore store(opened.file, with_precision(precision));
        const ggml_tensor* t = store.table("unet.t", 4096, 32);
        store.load(cpu());
        CHECK(t->type == type && relative_error(to_floats(t), values) < 0.01, precision, ": ", ggml_type_name(t->type));
    }
}

TEST("weight store: shapes and names") {
    const Opened opened(safetensors({zeros("unet.a.weight", {2, 3}), zeros("unet.b.weight", {2, 3, 1, 1}),
                                     zeros("unet.c.weight", {2, 3, 3, 3}), zeros("unet.e.weight", {0, 3})}));
    WeightStore store(opened.file, with_precision("auto"));
    ggml_tensor* a = store.matrix("unet.a.weight", 2, 3);
    CHECK(a == store.matrix("unet.a.weight", 2, 3), "one name, one tensor");
    CHECK(store.matrix("unet.b.weight", 2, 3)->ne[0] == 3, "a 1x1 convolution is a matrix");
    const std::string message = THROWN("TENSOR_SHAPE", store.matrix("unet.c.weight", 2, 3));
    CHECK(contains(message, "unet.c.weight") && contains(message, "[2, 3]") && contains(message, "[2, 3, 3, 3]"),
          message);
    THROWN("TENSOR_SHAPE", store.convolution("unet.c.weight", 3, 2, 3));
    THROWN("TENSOR_SHAPE", store.vector("unet.c.weight", 2));
    THROWN("TENSOR_SHAPE", store.matrix("unet.e.weight", 0, 3));
    THROWN("TENSOR_SHAPE", store.matrix("unet.c.weight", -2, 3));
    THROWN("TENSOR_SHAPE", store.convolution("unet.c.weight", 2, 3, int64_t{1} << 40));
    THROWN("MISSING_TENSOR", store.matrix("unet.x.weight", 2, 3));
    THROWN("INVALID_ARGUMENT", store.table("unet.a.weight", 2, 3));
    const std::string names = THROWN("INVALID_ARGUMENT", WeightStore(opened.file, with_precision("q9")));
    CHECK(contains(names, "q9") && contains(names, "q4_k"), names);
    CHECK(store.parameters() == 12 && store.bytes() == 48);
    store.load(cpu());
    CHECK(store.bytes() >= 48);
    THROWN("INVALID_ARGUMENT", store.vector("unet.c.weight", 54));
}

TEST("weight store: values that cannot be quantised") {
    for (float bad : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
        std::vector<float> values = noise(256);
        values[100] = bad;
        const Opened opened(safetensors({floats("unet.a.weight", {1, 256}, values)}));
        WeightStore quantised(opened.file, with_precision("q4_k", 2));
        quantised.matrix("unet.a.weight", 1, 256);
        CHECK(contains(THROWN("FILE_INVALID", quantised.load(cpu())), "unet.a.weight"));
        WeightStore half(opened.file, with_precision("f16"));
        half.matrix("unet.a.weight", 1, 256);
        half.load(cpu());
    }
}

TEST("weight store: many threads give the bytes of one") {
    const std::vector<float> values = noise(700 * 1024);
    const Opened opened(safetensors({floats("unet.a.weight", {700, 1024}, values), floats("unet.b", {64}, noise(64))}));
    std::vector<std::string> results;
    for (int threads : {1, 4}) {
        double last = 0;
        bool rising = true;
        LoadOptions options = with_precision("q8_0", threads);
        options.on_progress = [&](double fraction) {
            rising = rising && fraction >= last && fraction <= 1;
            last = fraction;
        };
        WeightStore store(opened.file, options);
        const ggml_tensor* a = store.matrix("unet.a.weight", 700, 1024);
        store.vector("unet.b", 64);
        store.load(cpu());
        results.emplace_back(static_cast<const char*>(a->data), ggml_nbytes(a));
        CHECK(rising && last == 1.0);
    }
    CHECK(results[0] == results[1]);
}

TEST("weight store: cancelled before and within the load") {
    const Opened opened(safetensors({zeros("unet.a.weight", {1024, 1024})}));
    std::atomic<bool> cancelled{true};
    LoadOptions options = with_precision("f16");
    options.cancelled = &cancelled;
    WeightStore before(opened.file, options);
    before.matrix("unet.a.weight", 1024, 1024);
    THROWN("ABORTED", before.load(cpu()));
    cancelled = false;
    int steps = 0;
    options.on_progress = [&](double) {
        ++steps;
        cancelled = true;
    };
    WeightStore within(opened.file, options);
    within.matrix("unet.a.weight", 1024, 1024);
    THROWN("ABORTED", within.load(cpu()));
    CHECK(steps == 1);
}

TEST("weight store: memory that cannot be had") {
    // A buffer type whose allocation always fails.
    ggml_backend_buffer_type none = *cpu();
    none.iface.alloc_buffer = [](ggml_backend_buffer_type_t, size_t) -> ggml_backend_buffer_t { return nullptr; };
    const Opened opened(safetensors({zeros("unet.a.weight", {4, 8})}));
    WeightStore store(opened.file, with_precision("auto"));
    store.matrix("unet.a.weight", 4, 8);
    CHECK(contains(THROWN("OUT_OF_MEMORY", store.load(&none)), "128 bytes"));
}

TEST("weight store: a buffer that the CPU cannot reach") {
    // The CPU's memory that does not say it is: filled by ggml_backend_tensor_set, whole tensors at a time.
    ggml_backend_buffer_type hidden = *cpu();
    hidden.iface.is_host = [](ggml_backend_buffer_type_t) { return false; };
    hidden.iface.alloc_buffer = [](ggml_backend_buffer_type_t self, size_t size) {
        ggml_backend_buffer_t buffer = ggml_backend_buft_alloc_buffer(cpu(), size);
        buffer->buft = self;
        return buffer;
    };
    const std::vector<float> values = noise(600 * 1024);
    const Opened opened(safetensors({floats("unet.a.weight", {600, 1024}, values)}));
    WeightStore store(opened.file, with_precision("f32", 2));
    const ggml_tensor* a = store.matrix("unet.a.weight", 600, 1024);
    store.load(&hidden);
    CHECK(to_floats(a) == values);
}

TEST("weight store: nothing declared, nothing loaded") {
    const Opened opened(safetensors({zeros("unet.a.weight", {1})}));
    WeightStore store(opened.file, with_precision("auto"));
    store.load(cpu());
    CHECK(store.bytes() == 0 && store.parameters() == 0 && std::string(store.type_name()) == "f32");
}

#ifndef _WIN32

TEST("weight store: a file that is cut short while it is loaded is an error") {
    const TemporaryFolder folder;
    const std::string path = folder.write("a", safetensors({zeros("unet.a.weight", {512, 512})}));
    const auto file = ModelFile::open(path);
    WeightStore store(file, with_precision("f32"));
    store.matrix("unet.a.weight", 512, 512);
    std::filesystem::resize_file(path, 100'000);
    CHECK(contains(THROWN("FILE_INVALID", store.load(ggml_backend_cpu_buffer_type())), "cut short"));
    THROWN("FILE_INVALID", ModelFile::open(path));
}

#endif
