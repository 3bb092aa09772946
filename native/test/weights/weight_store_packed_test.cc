// Weights packed as they are loaded: the AVX-512 packing gives the bytes of the plain one, from every type and order of
// a file.
#include <ggml-backend.h>

#include <algorithm>
#include <cstdint>
#include <limits>

#include "native/kernels/cpu.h"
#include "native/kernels/gemm/packing.h"
#include "native/test/weights/model_files.h"
#include "native/weights/weight_store.h"

using namespace nd::kernels;
using namespace nd::test;
using namespace nd::weights;

namespace {

struct Shape {
    int64_t n, taps, c;
    int64_t row() const { return taps * c; }
    int64_t size() const { return n * row(); }
};

// [n][taps][c] -> [n][c][taps]
std::vector<float> taps_last(const std::vector<float>& values, const Shape& s) {
    std::vector<float> result(values.size());
    for (int64_t row = 0; row < s.n; ++row) {
        for (int64_t tap = 0; tap < s.taps; ++tap) {
            for (int64_t c = 0; c < s.c; ++c)
                result[(row * s.c + c) * s.taps + tap] = values[(row * s.taps + tap) * s.c + c];
        }
    }
    return result;
}

std::string convert(ggml_type type, const std::vector<float>& values, int64_t row) {
    const int64_t rows = static_cast<int64_t>(values.size()) / row;
    std::string bytes(ggml_row_size(type, row) * static_cast<size_t>(rows), '\0');
    ggml_quantize_chunk(type, values.data(), bytes.data(), 0, rows, row, nullptr);
    return bytes;
}

// The values as that type has them.
std::vector<float> rounded(ggml_type type, const std::vector<float>& values, int64_t row) {
    if (type == GGML_TYPE_F32) return values;
    const std::string bytes = convert(type, values, row);
    std::vector<float> result(values.size());
    ggml_get_type_traits(type)->to_float(bytes.data(), result.data(), static_cast<int64_t>(result.size()));
    return result;
}

// What the plain packing makes of values [n][taps][c].
std::string packed(Packing packing, const std::vector<float>& values, const Shape& s) {
    std::string bytes(PackedLayout(packing, s.n, s.taps, s.c).size, '\0');
    for (int64_t row = 0; row < s.n; row += kPanel) {
        pack_rows(packing, values.data() + row * s.row(), s.n, s.taps, s.c, row, std::min(kPanel, s.n - row),
                  bytes.data());
    }
    return bytes;
}

// Values, some of them zeros, subnormal or large, and a row each of zeros and of magnitudes next to zero.
std::vector<float> hard_values(const Shape& s) {
    std::vector<float> values = noise(static_cast<size_t>(s.size()));
    for (size_t i = 0; i < values.size(); i += 7) values[i] *= i % 3 == 0 ? 0.0f : i % 3 == 1 ? 1e-39f : 3e4f;
    for (int64_t i = 0; i < s.row(); ++i) {
        if (s.n > 1) values[s.row() + i] = 0;
        if (s.n > 2) values[2 * s.row() + i] *= 1e-38f;
    }
    return values;
}

// How many bytes differ: panels of rows at an odd address, against the plain packing.
int64_t differences(Packing packing, ggml_type type, bool last, const Shape& s) {
    const std::vector<float> values = rounded(type, hard_values(s), s.row());
    const std::string bytes = " " + convert(type, last ? taps_last(values, s) : values, s.row());
    const std::string want = packed(packing, values, s);
    std::string got(want.size(), '\x55');
    const size_t row_bytes = ggml_row_size(type, s.row());
    for (int64_t row = 0; row < s.n; row += kPanel) {
        const FileRows from{type, bytes.data() + 1 + static_cast<size_t>(row) * row_bytes, last};
        if (!pack_file_rows(packing, from, s.n, s.taps, s.c, row, std::min(kPanel, s.n - row), got.data())) return -1;
    }
    int64_t count = 0;
    for (size_t i = 0; i < want.size(); ++i) count += got[i] != want[i];
    return count;
}

struct File {
    explicit File(const TestTensor& tensor) : file(ModelFile::open(folder.write("model", safetensors({tensor})))) {}
    explicit File(const std::string& bytes) : file(ModelFile::open(folder.write("model", bytes))) {}
    TemporaryFolder folder;
    ModelFile file;
};

LoadOptions with(const std::string& precision, int threads) {
    LoadOptions options;
    options.precision = precision;
    options.threads = threads;
    return options;
}

std::string bytes_of(const ggml_tensor* tensor) {
    return {static_cast<const char*>(tensor->data), ggml_nbytes(tensor)};
}

}  // namespace

TEST("packing: AVX-512 gives the bytes of the plain packing") {
    if (best_isa() < Isa::avx512) return;
    for (const Packing packing : {Packing::bf16, Packing::i8, Packing::winograd}) {
        for (const Shape s : {Shape{64, 1, 32}, Shape{1, 1, 2}, Shape{100, 1, 78}, Shape{17, 9, 6}, Shape{130, 9, 64},
                              Shape{3, 9, 96}, Shape{70, 4, 18}, Shape{65, 1, 7}, Shape{20, 9, 3}}) {
            if (!can_pack(packing, s.taps, s.c)) continue;
            for (const ggml_type type : {GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_BF16}) {
                for (const bool last : {false, true}) {
                    const int64_t count = differences(packing, type, last, s);
                    CHECK(count == 0, "packing ", int(packing), " of ", ggml_type_name(type), " ", s.n, " x ", s.taps,
                          " x ", s.c, last ? ", taps last" : "", ": ", count, " bytes differ");
                }
            }
        }
    }
}

TEST("packing: what the fast path leaves to the plain one") {
    const std::vector<float> values = noise(2 * 25 * 32);
    std::string data(PackedLayout(Packing::i8, 2, 25, 32).size, '\0');
    const auto fast = [&](ggml_type type, int64_t taps, const void* from) {
        return pack_file_rows(Packing::i8, {type, from, false}, 2, taps, 32, 0, 2, data.data());
    };
    CHECK(!fast(GGML_TYPE_F32, 25, values.data()) && !fast(GGML_TYPE_Q8_0, 9, values.data()));
    const Isa best = isa();
    CHECK(fast(GGML_TYPE_F32, 9, values.data()) == (best == Isa::avx512));
    set_isa(Isa::avx2);
    CHECK(!fast(GGML_TYPE_F32, 9, values.data()));
    set_isa(best);
    for (const float bad : {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(),
                            std::numeric_limits<float>::quiet_NaN()}) {
        std::vector<float> broken = values;
        broken[9 * 32 + 5] = bad;
        CHECK(!fast(GGML_TYPE_F32, 9, broken.data()));
    }
}

TEST("weight store: packed weights are the same from any file and any number of threads") {
    struct Case {
        const char* precision;
        Packing packing;
    };
    for (const Case c : {Case{"bf16", Packing::bf16}, Case{"q8_0", Packing::i8}}) {
        if (!can_multiply(c.packing)) continue;
        for (const Shape s : {Shape{200, 1, 96}, Shape{96, 9, 64}, Shape{160, 9, 128}, Shape{700, 1, 1024}}) {
            for (const ggml_type type : {GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_BF16}) {
                const std::vector<float> values = rounded(type, noise(static_cast<size_t>(s.size())), s.row());
                const int64_t kernel = s.taps == 9 ? 3 : 1;
                const File file(TestTensor{
                    "unet.a.weight", {s.n, s.c, kernel, kernel}, type, convert(type, taps_last(values, s), s.row())});
                for (const int threads : {1, 3}) {
                    WeightStore store(file.file, with(c.precision, threads));
                    const ggml_tensor* a = store.convolution("unet.a.weight", s.n, s.c, kernel);
                    store.load(ggml_backend_cpu_buffer_type());
                    // bf16 may be Winograd's where that pays.
                    const Packing packing = packing_of(*a);
                    CHECK(packing == c.packing || (packing == Packing::winograd && c.packing == Packing::bf16));
                    CHECK(bytes_of(a) == packed(packing, values, s), c.precision, " from ", ggml_type_name(type));
                }
            }
        }
    }
}

TEST("weight store: packed weights from quantised rows, relaid already") {
    const Shape s{130, 9, 64};
    for (const ggml_type type : {GGML_TYPE_Q8_0, GGML_TYPE_Q4_0}) {
        const std::vector<float> values = noise(static_cast<size_t>(s.size()));
        GgufWriter writer;
        writer.tensor({"unet.c.weight", {s.n, s.taps, s.c}, type, convert(type, values, s.row())});
        const File file(writer.file());
        for (const char* precision : {"bf16", "q8_0"}) {
            const Packing packing = std::string(precision) == "bf16" ? Packing::bf16 : Packing::i8;
            if (!can_multiply(packing)) continue;
            WeightStore store(file.file, with(precision, 2));
            const ggml_tensor* c = store.convolution("unet.c.weight", s.n, s.c, 3);
            store.load(ggml_backend_cpu_buffer_type());
            CHECK(bytes_of(c) == packed(packing, rounded(type, values, s.row()), s), precision, " from ",
                  ggml_type_name(type));
        }
    }
}

TEST("weight store: values that cannot be packed as int8") {
    if (!can_multiply(Packing::i8)) return;
    std::vector<float> values = noise(70 * 32);
    values[66 * 32 + 3] = std::numeric_limits<float>::infinity();
    for (const ggml_type type : {GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_BF16}) {
        std::string bytes = convert(type, std::vector<float>(values.size()), 32);
        ggml_fp16_t f16[1];
        ggml_bf16_t bf16[1];
        ggml_fp32_to_fp16_row(values.data() + 66 * 32 + 3, f16, 1);
        ggml_fp32_to_bf16_row(values.data() + 66 * 32 + 3, bf16, 1);
        const void* bad = type == GGML_TYPE_F32   ? static_cast<const void*>(&values[66 * 32 + 3])
                          : type == GGML_TYPE_F16 ? static_cast<const void*>(f16)
                                                  : static_cast<const void*>(bf16);
        std::memcpy(bytes.data() + (66 * 32 + 3) * ggml_type_size(type), bad, ggml_type_size(type));
        const File file(TestTensor{"unet.a.weight", {70, 32}, type, bytes});
        WeightStore store(file.file, with("q8_0", 2));
        store.matrix("unet.a.weight", 70, 32);
        const std::string message = THROWN("FILE_INVALID", store.load(ggml_backend_cpu_buffer_type()));
        CHECK(contains(message, "unet.a.weight") && contains(message, "inf"), message);
    }
}

TEST("weight store: a gated layer's rows are those of a plain one") {
    for (const auto& [precision, packing] : {std::pair{"bf16", Packing::bf16}, {"q8_0", Packing::i8}}) {
        if (!can_multiply(packing)) continue;
        for (const Shape s : {Shape{2560, 1, 320}, Shape{144, 1, 18}, Shape{96, 1, 64}}) {
            for (const ggml_type type : {GGML_TYPE_F32, GGML_TYPE_F16}) {
                const std::vector<float> values = noise(static_cast<size_t>(s.size()));
                const File file(TestTensor{"unet.a.weight", {s.n, s.c}, type, convert(type, values, s.row())});
                WeightStore plain(file.file, with(precision, 1)), gated(file.file, with(precision, 3));
                const ggml_tensor* a = plain.matrix("unet.a.weight", s.n, s.c);
                const ggml_tensor* b = gated.gated_matrix("unet.a.weight", s.n, s.c);
                THROWN("INVALID_ARGUMENT", gated.matrix("unet.a.weight", s.n, s.c));
                plain.load(ggml_backend_cpu_buffer_type());
                gated.load(ggml_backend_cpu_buffer_type());
                CHECK(packing_of(*b) == packing && is_gated(*b) && !is_gated(*a));
                const auto row_of = [&](const ggml_tensor* weights, int64_t row) {
                    std::vector<float> out(static_cast<size_t>(s.row()));
                    unpack_row({weights->type, weights->data, 0, s.n, 1, s.c, packing, is_gated(*weights)}, row,
                               out.data());
                    return out;
                };
                for (int64_t row = 0; row < s.n; ++row)
                    CHECK(row_of(a, row) == row_of(b, row), precision, " row ", row, " of ", s.n);
            }
        }
    }
}
