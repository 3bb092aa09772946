// gemm_task() against the plain sums, for every instruction set, weight type and kind of geometry.
#include "native/kernels/gemm/gemm.h"

#include <algorithm>
#include <functional>
#include <string>

#include "native/test/kernels/gemm_problem.h"

using namespace nd::kernels;
using namespace nd::test;

namespace {

const Shape kShapes[] = {
    {"linear, one row", linear(1), 320, 1280},
    {"linear, two rows", linear(2), 33, 65},
    {"linear, long sum", linear(13), 5120, 72},
    {"linear, 77 tokens", linear(77), 768, 320},
    {"linear, odd everything", linear(19), 37, 67},
    {"linear, one value", linear(1), 1, 1},
    {"1x1, strided", conv(2, 6, 7, 1, 2, 0, 0, 1), 24, 16},
    {"3x3 from latents", conv(2, 8, 8, 3, 1, 1, 1, 1), 4, 320},
    {"3x3 to latents", conv(1, 9, 8, 3, 1, 1, 1, 1), 320, 4},
    {"3x3 to pixels", conv(1, 12, 11, 3, 1, 1, 1, 1), 128, 3},
    {"3x3 from a byte image", conv(1, 16, 16, 3, 1, 1, 1, 1), 3, 128},
    {"3x3, 320 to 320", conv(1, 10, 9, 3, 1, 1, 1, 1), 320, 320},
    {"3x3, 640 to 70", conv(2, 5, 5, 3, 1, 1, 1, 1), 640, 70},
    {"3x3, stride 2", conv(2, 8, 10, 3, 2, 1, 1, 1), 64, 64},
    {"3x3, stride 2, odd size", conv(1, 7, 9, 3, 2, 1, 1, 1), 32, 48},
    {"3x3, stride 2, padded right and below only", conv(1, 8, 8, 3, 2, 0, 1, 1), 32, 33},
    {"3x3 after upsampling", conv(2, 5, 4, 3, 1, 1, 1, 2), 64, 96},
    {"3x3 after upsampling, cut to odd size", cut(conv(2, 4, 5, 3, 1, 1, 1, 2)), 16, 24},
    {"3x3 on one pixel", conv(3, 1, 1, 3, 1, 1, 1, 1), 32, 20},
    {"3x3 without padding", conv(1, 6, 6, 3, 1, 0, 0, 1), 16, 17},
    {"5x5", conv(1, 6, 5, 5, 1, 2, 2, 1), 12, 10},
    {"many pixels", conv(1, 40, 30, 1, 1, 0, 0, 1), 32, 64},
};

// Each kind of weights whose products the instruction set in use has.
std::vector<Form> packed_forms() {
    std::vector<Form> forms;
    for (const Form& form : {Form{GGML_TYPE_F32, Packing::bf16, Format::f32, "bf16"},
                             Form{GGML_TYPE_F32, Packing::bf16, Format::bf16, "bf16 to bf16"},
                             Form{GGML_TYPE_F32, Packing::winograd, Format::f32, "Winograd"},
                             Form{GGML_TYPE_F32, Packing::winograd, Format::bf16, "Winograd to bf16"},
                             Form{GGML_TYPE_F32, Packing::i8, Format::f32, "int8"},
                             Form{GGML_TYPE_F32, Packing::i8, Format::bf16, "int8 to bf16"},
                             Form{GGML_TYPE_Q4_0, Packing::blocks, Format::f32, "q4_0"},
                             Form{GGML_TYPE_Q5_1, Packing::blocks, Format::bf16, "q5_1 to bf16"}}) {
        if (can_multiply(form.packing)) forms.push_back(form);
    }
    return forms;
}

// Whether a form serves a shape: Winograd's is for 3 x 3 kernels with stride 1 and padding 1.
bool fits(const Form& form, const Shape& shape) {
    const GemmGeometry& g = shape.geometry;
    if (form.packing == Packing::winograd && (g.stride != 1 || g.pad_top != 1 || g.kernel != 3)) return false;
    if (form.packing == Packing::blocks && shape.c % ggml_blck_size(form.type) != 0) return false;
    return form.packing == Packing::rows || can_pack(form.packing, int64_t(g.kernel) * g.kernel, shape.c);
}

// The sums are exact to f32; rounded to bf16, a few fall to the other side.
void check_shape(const Shape& shape, Form form, const char* isa, double limit = 2e-6) {
    if (!fits(form, shape)) return;
    if (form.y_format == Format::bf16) limit = std::max(limit, 1e-4);
    if (form.packing == Packing::winograd) limit = 2e-2;  // both sides round, at other places
    const char* name = in_panels(form.packing) ? form.name : ggml_type_name(form.type);
    Problem p(shape, form, 7, form.packing == Packing::rows ? 5 : 6);
    const double plain = error(p, p.run(), p.reference());
    CHECK(plain < limit, isa, " ", name, " ", shape.name, ": ", plain);
    p.args.bias = nullptr;
    p.args.residual = p.residual.data();
    const double added = error(p, p.run(), p.reference());
    CHECK(added < limit, isa, " ", name, " ", shape.name, " with residual: ", added);
}

// Runs `body` on each instruction set with each kind of packed weights that it multiplies.
void for_each_packed_form(const std::function<void(const Form& form, const std::string& name)>& body) {
    for_each_isa([&](const char* isa) {
        for (const Form& form : packed_forms()) body(form, std::string(isa) + " " + form.name);
    });
}

// Runs `body` on each instruction set with f16 rows, and with each kind of packed weights that it multiplies.
void for_each_form(const std::function<void(const Form& form, const std::string& name)>& body) {
    for_each_isa([&](const char* isa) { body({GGML_TYPE_F16}, isa); });
    for_each_packed_form(body);
}

}  // namespace

TEST("gemm: every geometry agrees with the plain sums") {
    for_each_isa([](const char* isa) {
        for (const Shape& shape : kShapes) check_shape(shape, {GGML_TYPE_F32}, isa);
        for (const Shape& shape : kShapes) check_shape(shape, {GGML_TYPE_F16}, isa);
    });
}

TEST("gemm: packed weights agree with the plain sums over what was packed") {
    for_each_packed_form([](const Form& form, const std::string& name) {
        for (const Shape& shape : kShapes) check_shape(shape, form, name.c_str());
        check_shape({"3x3, several blocks", conv(1, 6, 5, 3, 1, 1, 1, 1), 1300, 130}, form, name.c_str());
    });
}

TEST("gemm: sums of the largest int8 values are exact") {
    for_each_isa([](const char* isa) {
        if (!can_multiply(Packing::i8)) return;
        const Form form{GGML_TYPE_F32, Packing::i8, Format::f32, "int8"};
        // Whole numbers times scales of one: a sum is 127 * 127 * c or so, which a float holds.
        const Shape shape{"largest values", linear(7), 1024, 70};
        // Rows of 127, of -127, and of both in turn.
        const auto extremes = [&](int64_t rows) {
            std::vector<float> values(static_cast<size_t>(rows * shape.c));
            for (size_t i = 0; i < values.size(); ++i) {
                const size_t row = i / static_cast<size_t>(shape.c);
                values[i] = (row % 3 == 2 ? i % 2 : row % 2) ? -127.0f : 127.0f;
            }
            return values;
        };
        const std::vector<float> w = extremes(shape.n), x = extremes(7);
        Problem p(shape, form, 7);
        p.pack(shape, form, w);
        p.x = convert(x, shape.c, shape.c, Format::i8);
        p.args.x = p.x.data(), p.args.bias = nullptr;
        CHECK(same_bytes(p.run().data(), p.reference().data(), p.y_size), isa);
    });
}

TEST("gemm: packed weights are the weights, to their precision") {
    const int64_t taps = 9, c = 64, n = 70, k = taps * c;
    const std::vector<float> values = normals(n * k, 4);
    for (const Packing packing : {Packing::bf16, Packing::i8, Packing::winograd}) {
        std::vector<char> data(PackedLayout(packing, n, taps, c).size);
        for (int64_t row = 0; row < n; row += kPanel)
            pack_rows(packing, values.data() + row * k, n, taps, c, row, std::min(kPanel, n - row), data.data());
        std::vector<float> row(static_cast<size_t>(k));
        for (int64_t i = 0; i < n; ++i) {
            unpack_row({GGML_TYPE_F32, data.data(), 0, n, taps, c, packing, false}, i, row.data());
            const double e = relative_error(row.data(), values.data() + i * k, k);
            CHECK(e < (packing == Packing::bf16 ? 2e-3 : 1e-2), "row ", i, ": ", e);
        }
    }
}

TEST("gemm: Winograd's convolution is exact where its transforms are") {
    if (!can_multiply(Packing::winograd)) return;
    // Small whole numbers, and weights that the transform divides by four: nothing is rounded.
    for (const GemmGeometry& geometry : {conv(2, 9, 7, 3, 1, 1, 1, 1), conv(1, 30, 34, 3, 1, 1, 1, 1),
                                         conv(2, 5, 6, 3, 1, 1, 1, 2), cut(conv(2, 4, 5, 3, 1, 1, 1, 2))}) {
        const Shape shape{"whole numbers", geometry, 96, 72};
        std::vector<float> values = normals(shape.n * 9 * shape.c, 8);
        for (float& value : values) value = 4 * std::round(value);
        std::vector<float> x = normals(geometry.batch * geometry.height * geometry.width * shape.c, 9);
        for (float& value : x) value = std::round(value);
        std::vector<std::vector<float>> results;
        for (const Packing packing : {Packing::winograd, Packing::bf16}) {
            Problem p(shape, {GGML_TYPE_F32, packing, Format::f32, ""}, 7);
            p.pack(shape, {GGML_TYPE_F32, packing, Format::f32, ""}, values);
            p.x = convert(x, shape.c, shape.c, Format::bf16);
            p.args.x = p.x.data(), p.args.bias = nullptr;
            results.push_back(p.run());
        }
        CHECK(same_bytes(results[0].data(), results[1].data(), int64_t(results[0].size())), geometry.height, " x ",
              geometry.width);
    }
}

TEST("gemm: Winograd's convolution agrees with the direct one in bf16") {
    if (!can_multiply(Packing::winograd)) return;
    const Shape shape{"", conv(2, 16, 16, 3, 1, 1, 1, 1), 320, 128};
    const std::vector<float> values = normals(shape.n * 9 * shape.c, 8, 1.0f / std::sqrt(9.0f * 320));
    Problem exact(shape, {}, 7), direct(shape, {GGML_TYPE_F32, Packing::bf16, Format::f32, ""}, 7),
        winograd(shape, {GGML_TYPE_F32, Packing::winograd, Format::f32, ""}, 7);
    exact.pack(shape, {}, values);
    direct.pack(shape, {GGML_TYPE_F32, Packing::bf16, Format::f32, ""}, values);
    winograd.pack(shape, {GGML_TYPE_F32, Packing::winograd, Format::f32, ""}, values);
    const std::vector<float> truth = exact.run();
    const double direct_error = error(direct, direct.run(), truth),
                 winograd_error = error(winograd, winograd.run(), truth);
    CHECK(direct_error < 3e-3, direct_error);
    CHECK(winograd_error < 5e-3, winograd_error);
}

TEST("gemm: every weight type agrees with the plain sums over the same weights") {
    for_each_isa([](const char* isa) {
        for (ggml_type type :
             {GGML_TYPE_BF16, GGML_TYPE_Q8_0, GGML_TYPE_Q4_0, GGML_TYPE_Q5_1, GGML_TYPE_Q4_K, GGML_TYPE_Q6_K}) {
            check_shape({"linear, long sum", linear(11), 5120, 72}, {type}, isa);
            check_shape({"3x3, 256", conv(1, 5, 4, 3, 1, 1, 1, 1), 256, 65}, {type}, isa);
        }
        for (ggml_type type : {GGML_TYPE_BF16, GGML_TYPE_Q8_0, GGML_TYPE_Q4_0}) {
            check_shape({"linear 320", linear(7), 320, 100}, {type}, isa);
            check_shape({"3x3, 320", conv(1, 4, 4, 3, 1, 1, 1, 1), 320, 10}, {type}, isa);
        }
    });
}

TEST("gemm: blocks of every type agree with the plain sums over the same weights in bf16") {
    if (!can_multiply(Packing::blocks)) return;
    // A few weights may be rounded to the other side, where a minimum is added in one step, and with them a few of y.
    for (int i = 0; i < GGML_TYPE_COUNT; ++i) {
        const auto type = static_cast<ggml_type>(i);
        if (!ggml_is_quantized(type) || ggml_quantize_requires_imatrix(type) || !ggml_get_type_traits(type)->to_float)
            continue;
        for (const Format y : {Format::f32, Format::bf16}) {
            const Form form{type, Packing::blocks, y, ""};
            const double limit = y == Format::f32 ? 5e-5 : 1e-3;
            check_shape({"linear, long sum", linear(11), 5120, 72}, form, "", limit);
            check_shape({"many rows", linear(1100), 256, 16}, form, "", limit);
            check_shape({"3x3, 256", conv(1, 5, 4, 3, 1, 1, 1, 1), 256, 65}, form, "", limit);
            if (ggml_blck_size(type) != 32) continue;
            check_shape({"linear 320", linear(7), 320, 100}, form, "", limit);
            check_shape({"3x3, several blocks of k", conv(1, 6, 5, 3, 1, 1, 1, 1), 1312, 130}, form, "", limit);
        }
    }
}

TEST("gemm: the residual may be y itself") {
    for_each_form([](const Form& form, const std::string& name) {
        for (const Shape& shape : kShapes) {
            if (!fits(form, shape)) continue;
            Problem p(shape, form, 21);
            p.args.residual = p.residual.data();
            const std::vector<float> apart = p.run();
            std::vector<char> y = p.residual;
            p.args.y = y.data(), p.args.residual = y.data();
            run_tasks(gemm_tasks(p.args), gemm_task, p.args);
            const std::vector<float> together = p.read(reinterpret_cast<const float*>(y.data()));
            CHECK(same_bytes(together.data(), apart.data(), p.y_size), name, " ", shape.name);
        }
    });
}

TEST("gemm: the bytes depend neither on the order of tasks nor on the batch") {
    for_each_form([](const Form& form, const std::string& name) {
        for (const Shape& shape : kShapes) {
            if (!fits(form, shape)) continue;
            Problem p(shape, form, 3);
            p.args.residual = p.residual.data();
            const std::vector<float> all = p.run();
            CHECK(same_bytes(all.data(), p.run(true).data(), p.y_size), name, " ", shape.name, " backwards");
            const int64_t batch = p.args.geometry.batch;
            const size_t in = p.x.size() / batch, out = p.residual.size() / batch;
            p.args.geometry.batch = 1;
            p.y_size /= batch;
            for (int64_t b = 0; b < batch; ++b) {
                p.args.x = p.x.data() + b * in;
                p.args.residual = p.residual.data() + b * out;
                CHECK(same_bytes(all.data() + b * p.y_size, p.run().data(), p.y_size), name, " ", shape.name,
                      " picture ", b);
            }
        }
    });
}

TEST("gemm: the bytes do not depend on threads") {
    for_each_form([](const Form& form, const std::string& name) {
        Problem p({"", conv(2, 24, 24, 3, 1, 1, 1, 1), 64, 200}, form, 3);
        const std::vector<float> alone = p.run();
        Guarded y(p.y_size);
        p.args.y = y.data();
        CHECK(gemm_tasks(p.args) >= 8, gemm_tasks(p.args));
        run_threads(4, gemm_tasks(p.args), gemm_task, p.args);
        CHECK(same_bytes(alone.data(), p.read(y.data()).data(), p.y_size), name);
    });
}

TEST("gemm: a row's bytes do not depend on the rows beside it") {
    for_each_form([](const Form& form, const std::string& name) {
        if (!fits(form, {"", linear(1200), 96, 70})) return;
        Problem p({"", linear(1200), 96, 70}, form, 5);
        const std::vector<float> all = p.run();
        p.args.geometry = linear(1);
        p.y_size = p.args.y_stride;
        for (int64_t row : {0, 1, 5, 6, 7, 595, 1199}) {
            p.args.x = p.x.data() + row * p.row_size;
            CHECK(same_bytes(all.data() + row * p.y_size, p.run().data(), p.y_size), name, " row ", row);
        }
    });
}

TEST("gemm: weights that hold no numbers, kernels and formats that do not fit are refused") {
    Problem p({"", linear(2), 32, 4}, {GGML_TYPE_F32}, 5);
    GemmArgs numbers = p.args, taps = p.args, large = p.args, format = p.args, packed = p.args;
    numbers.weights.type = GGML_TYPE_I32;
    taps.weights.taps = 4;
    large.geometry.kernel = 8, large.weights.taps = 64;
    format.y_format = Format::bf16;
    packed.weights.packing = Packing::i8;
    CHECK(error_code([&] { gemm_tasks(numbers); }) == "UNSUPPORTED_TYPE");
    CHECK(error_code([&] { gemm_tasks(taps); }) == "INVALID_ARGUMENT");
    CHECK(error_code([&] { gemm_tasks(large); }) == "INVALID_ARGUMENT");
    CHECK(error_code([&] { gemm_tasks(format); }) == "INVALID_ARGUMENT");
    set_isa(Isa::scalar);
    CHECK(error_code([&] { gemm_tasks(packed); }) == "UNSUPPORTED_TYPE");
    set_isa(best_isa());
}
