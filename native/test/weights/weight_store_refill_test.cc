// Tensors filled again with a change, and back: what is merged is what was to be added, and nothing is left of it.
#include <../src/ggml-backend-impl.h>  // relative to ggml's include folder: to make a buffer type of a device
#include <ggml-backend.h>

#include <cmath>

#include "native/kernels/gemm/packing.h"
#include "native/test/weights/model_files.h"
#include "native/weights/weight_store.h"

using namespace nd::test;
using namespace nd::weights;

namespace {

std::string bytes_of(const ggml_tensor* tensor) {
    return {static_cast<const char*>(tensor->data), ggml_nbytes(tensor)};
}

LoadOptions with_precision(const std::string& precision) {
    LoadOptions options;
    options.precision = precision;
    options.threads = 3;
    return options;
}

// [out][in][taps] -> a change that adds values [out][taps][in] of them.
WeightStore::Change adding(const std::vector<float>& values, int64_t taps, int64_t in) {
    return [&values, taps, in](int64_t first, int64_t count, float* rows) {
        for (int64_t row = first; row < first + count; ++row) {
            for (int64_t tap = 0; tap < taps; ++tap) {
                for (int64_t i = 0; i < in; ++i) *rows++ += values[static_cast<size_t>((row * in + i) * taps + tap)];
            }
        }
    };
}

std::vector<float> sum(const std::vector<float>& a, const std::vector<float>& b) {
    std::vector<float> result(a);
    for (size_t i = 0; i < b.size(); ++i) result[i] += b[i];
    return result;
}

}  // namespace

TEST("weight store: a tensor filled again with a change is one loaded with it, and back") {
    const TemporaryFolder folder;
    const std::vector<float> matrix = noise(130 * 64, 1), kernel = noise(130 * 64 * 9, 2), bias = noise(130, 3);
    const std::vector<float> more_matrix = noise(130 * 64, 4), more_kernel = noise(130 * 64 * 9, 5);
    const std::vector<float> more_bias = noise(130, 6);
    const auto file_of = [&](const std::string& name, const std::vector<float>& a, const std::vector<float>& b,
                             const std::vector<float>& c) {
        return folder.write(
            name, safetensors({floats("unet.a.weight", {130, 64}, a), floats("unet.a.bias", {130}, c),
                               floats("unet.g.weight", {130, 64}, a), floats("unet.b.weight", {130, 64, 3, 3}, b)}));
    };
    const std::string before = file_of("before", matrix, kernel, bias);
    const std::string after =
        file_of("after", sum(matrix, more_matrix), sum(kernel, more_kernel), sum(bias, more_bias));
    struct Loaded {
        Loaded(const std::string& path, const std::string& precision)
            : file(ModelFile::open(path)), store(file, with_precision(precision)) {
            tensors = {store.matrix("unet.a.weight", 130, 64), store.vector("unet.a.bias", 130),
                       store.gated_matrix("unet.g.weight", 130, 64), store.convolution("unet.b.weight", 130, 64, 3)};
            store.load(ggml_backend_cpu_buffer_type());
        }
        ModelFile file;
        WeightStore store;
        std::vector<const ggml_tensor*> tensors;
    };
    const auto add_matrix = adding(more_matrix, 1, 64), add_kernel = adding(more_kernel, 9, 64);
    // A bias is one row.
    const WeightStore::Change add_bias = [&](int64_t, int64_t, float* values) {
        for (size_t i = 0; i < more_bias.size(); ++i) values[i] += more_bias[i];
    };
    for (const char* precision : {"f32", "f16", "bf16", "q8_0", "q4_0"}) {
        Loaded loaded(before, precision);
        const Loaded wanted(after, precision);
        std::vector<std::string> original;
        for (const ggml_tensor* tensor : loaded.tensors) original.push_back(bytes_of(tensor));
        const auto file = ModelFile::open(before);
        loaded.store.refill(file, "unet.a.weight", &add_matrix, nullptr);
        loaded.store.refill(file, "unet.a.bias", &add_bias, nullptr);
        loaded.store.refill(file, "unet.g.weight", &add_matrix, nullptr);
        loaded.store.refill(file, "unet.b.weight", &add_kernel, nullptr);
        for (size_t i = 0; i < original.size(); ++i) {
            CHECK(bytes_of(loaded.tensors[i]) == bytes_of(wanted.tensors[i]), precision, " ", i);
            CHECK(bytes_of(loaded.tensors[i]) != original[i], precision, " ", i);
        }
        for (const char* name : {"unet.a.weight", "unet.a.bias", "unet.g.weight", "unet.b.weight"})
            loaded.store.refill(file, name, nullptr, nullptr);
        for (size_t i = 0; i < original.size(); ++i)
            CHECK(bytes_of(loaded.tensors[i]) == original[i], precision, " ", i, " back");
    }
}

TEST("weight store: a device's convolutions filled again with a change, and back") {
    // The CPU's memory that does not say it is: tensors come to it whole.
    ggml_backend_buffer_type hidden = *ggml_backend_cpu_buffer_type();
    hidden.iface.is_host = [](ggml_backend_buffer_type_t) { return false; };
    hidden.iface.alloc_buffer = [](ggml_backend_buffer_type_t self, size_t size) {
        ggml_backend_buffer_t buffer = ggml_backend_buft_alloc_buffer(ggml_backend_cpu_buffer_type(), size);
        buffer->buft = self;
        return buffer;
    };
    const TemporaryFolder folder;
    const std::vector<float> kernel = noise(130 * 64 * 9, 1), more = noise(130 * 64 * 9, 2), point = noise(130 * 64, 3);
    const std::vector<float> more_point = noise(130 * 64, 4);
    const auto file_of = [&](const std::string& name, const std::vector<float>& planes,
                             const std::vector<float>& ones) {
        std::vector<float> rows(planes.size());  // [out][taps][in], as converted files have them
        adding(planes, 9, 64)(0, 130, rows.data());
        return folder.write(name, safetensors({floats("unet.a.weight", {130, 64, 3, 3}, planes),
                                               floats("unet.b.weight", {130, 9, 64}, rows),
                                               floats("unet.c.weight", {130, 64, 1, 1}, ones)}));
    };
    const std::string before = file_of("before", kernel, point);
    const std::string after = file_of("after", sum(kernel, more), sum(point, more_point));
    const std::vector<std::string> names = {"unet.a.weight", "unet.b.weight", "unet.c.weight"};
    const auto add_kernel = adding(more, 9, 64), add_point = adding(more_point, 1, 64);
    for (const char* precision : {"f32", "f16", "q8_0"}) {
        for (ggml_backend_buffer_type_t memory : {ggml_backend_cpu_buffer_type(), &hidden}) {
            const auto load = [&](const ModelFile& file) {
                LoadOptions options = with_precision(precision);
                options.pack = false;
                options.multiplies = [](ggml_type) { return true; };
                auto store = std::make_unique<WeightStore>(file, options);
                for (const std::string& name : names) store->convolution(name, 130, 64, name == names[2] ? 1 : 3);
                store->load(memory);
                return store;
            };
            const auto file = ModelFile::open(before), other = ModelFile::open(after);
            const auto store = load(file), wanted = load(other);
            std::vector<std::string> original;
            for (const std::string& name : names) original.push_back(bytes_of(store->tensor(name)));
            CHECK(original[0] == original[1], precision, ": one layout from both orders of the file");
            for (const std::string& name : names)
                store->refill(file, name, name == names[2] ? &add_point : &add_kernel, nullptr);
            for (size_t i = 0; i < names.size(); ++i) {
                CHECK(bytes_of(store->tensor(names[i])) == bytes_of(wanted->tensor(names[i])), precision, " ", i);
                CHECK(bytes_of(store->tensor(names[i])) != original[i], precision, " ", i);
                store->refill(file, names[i], nullptr, nullptr);
                CHECK(bytes_of(store->tensor(names[i])) == original[i], precision, " ", i, " back");
                const auto extent = store->extent(names[i]);
                CHECK(extent.out == 130 && extent.taps == (i == 2 ? 1 : 9) && extent.in == 64 && !extent.is_quantised);
            }
        }
    }
}

TEST("weight store: what a change may run beside: products in blocks, gated ones where they are not gated in one") {
    const TemporaryFolder folder;
    const auto file = ModelFile::open(
        folder.write("a", safetensors({zeros("unet.a.weight", {64, 64}), zeros("unet.g.weight", {64, 64}),
                                       zeros("unet.b.weight", {64, 64, 3, 3}), zeros("unet.t.weight", {4096, 64})})));
    for (const bool device : {false, true}) {
        LoadOptions options = with_precision("q8_0");
        options.pack = false;
        if (device) options.multiplies = [](ggml_type) { return true; };
        WeightStore store(file, options);
        store.matrix("unet.a.weight", 64, 64), store.gated_matrix("unet.g.weight", 64, 64);
        store.convolution("unet.b.weight", 64, 64, 3);
        CHECK(store.table("unet.t.weight", 4096, 64)->type == GGML_TYPE_Q8_0);
        CHECK(store.extent("unet.a.weight").is_quantised && !store.extent("unet.a.weight").is_gated);
        CHECK(store.extent("unet.g.weight").is_quantised && store.extent("unet.g.weight").is_gated == !device);
        CHECK(store.extent("unet.b.weight").is_quantised == !device);
        CHECK(!store.extent("unet.t.weight").is_quantised);
    }
}

TEST("weight store: refilling refuses what is not there, another file, and stops") {
    const TemporaryFolder folder;
    const auto file = ModelFile::open(folder.write("a", safetensors({zeros("unet.a.weight", {4, 8})})));
    const auto other = ModelFile::open(folder.write("b", safetensors({zeros("unet.a.weight", {8, 4})})));
    WeightStore store(file, with_precision("f32"));
    store.matrix("unet.a.weight", 4, 8);
    THROWN("INVALID_ARGUMENT", store.refill(file, "unet.a.weight", nullptr, nullptr));
    store.load(ggml_backend_cpu_buffer_type());
    THROWN("INVALID_ARGUMENT", store.refill(file, "unet.b.weight", nullptr, nullptr));
    CHECK(contains(THROWN("FILE_INVALID", store.refill(other, "unet.a.weight", nullptr, nullptr)), "has changed"));
    const std::atomic<bool> cancelled{true};
    THROWN("ABORTED", store.refill(file, "unet.a.weight", nullptr, &cancelled));
    const auto extent = store.extent("unet.a.weight");
    CHECK(extent.out == 4 && extent.taps == 1 && extent.in == 8 && !extent.is_quantised);
    CHECK(store.extent("unet.b.weight").out == 0 && store.tensor("unet.b.weight") == nullptr);
}
