// gemm_task() against the plain sums, for every instruction set, weight type and kind of geometry.
#include "native/kernels/gemm/gemm.h"

#include <ggml.h>

#include "native/test/kernels/support.h"

using namespace nd::kernels;
using namespace nd::test;

namespace {

struct Shape {
    const char* name;
    GemmGeometry geometry;
    int64_t c, n;
};

// A geometry from what a convolution's author would say: {batch, height, width}, kernel, stride, padding.
GemmGeometry conv(int64_t batch, int64_t height, int64_t width, int kernel, int stride, int pad_low, int pad_high,
                  int upsample) {
    GemmGeometry g;
    g.batch = batch, g.height = height, g.width = width;
    g.kernel = kernel, g.stride = stride, g.pad_top = g.pad_left = pad_low, g.upsample = upsample;
    g.out_height = (height * upsample + pad_low + pad_high - kernel) / stride + 1;
    g.out_width = (width * upsample + pad_low + pad_high - kernel) / stride + 1;
    return g;
}

// Upsampled by 2, with the last row and column cut off.
GemmGeometry cut(GemmGeometry g) {
    g.up_height = g.height * 2 - 1, g.up_width = g.width * 2 - 1;
    --g.out_height, --g.out_width;
    return g;
}

GemmGeometry linear(int64_t rows) {
    return conv(1, 1, rows, 1, 1, 0, 0, 1);
}

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

struct Problem {
    Problem(const Shape& shape, ggml_type type, uint64_t seed, int64_t padding = 0) {
        const GemmGeometry& g = args.geometry = shape.geometry;
        const int64_t taps = g.kernel * g.kernel, k = taps * shape.c;
        values = normals(shape.n * k, seed, 1.0f / std::sqrt(float(k)));
        const size_t row_bytes = ggml_row_size(type, k);
        bytes.resize(row_bytes * shape.n);
        ggml_quantize_chunk(type, values.data(), bytes.data(), 0, shape.n, k, nullptr);
        args.weights = {type, bytes.data(), row_bytes, shape.n, taps, shape.c};
        x = normals(g.batch * g.height * g.width * (shape.c + padding), seed + 1);
        bias = normals(shape.n, seed + 2);
        args.x = x.data(), args.x_stride = shape.c + padding, args.bias = bias.data();
        args.y_stride = shape.n + padding;
        y_size = g.batch * g.out_height * g.out_width * args.y_stride;
        residual = normals(y_size, seed + 3);
    }

    // y after all tasks; channels between n and y_stride keep the guard's mark.
    std::vector<float> run(bool backwards = false) {
        Guarded y(y_size);
        args.y = y.data();
        run_tasks(gemm_tasks(args), gemm_task, args, backwards);
        CHECK(y.intact());
        return {y.data(), y.data() + y_size};
    }

    std::vector<float> reference() {
        std::vector<float> y(static_cast<size_t>(y_size), Guarded::kMark);
        args.y = y.data();
        gemm_reference(args);
        return y;
    }

    GemmArgs args;
    std::vector<float> values, x, bias, residual;
    std::vector<char> bytes;
    int64_t y_size = 0;
};

// The padding between rows must be untouched: then it is equal on both sides, and is taken out before comparing.
double error(const Problem& p, std::vector<float> got, std::vector<float> expected) {
    bool untouched = true;
    for (int64_t i = 0; i < p.y_size; ++i) {
        if (i % p.args.y_stride < p.args.weights.n) continue;
        untouched = untouched && got[i] == Guarded::kMark;
        got[i] = expected[i] = 0;
    }
    return untouched ? relative_error(got.data(), expected.data(), p.y_size) : INFINITY;
}

void check_shape(const Shape& shape, ggml_type type, const char* isa) {
    Problem p(shape, type, 7, 5);
    const double plain = error(p, p.run(), p.reference());
    CHECK(plain < 2e-6, isa, " ", ggml_type_name(type), " ", shape.name, ": ", plain);
    p.args.bias = nullptr;
    p.args.residual = p.residual.data();
    const double added = error(p, p.run(), p.reference());
    CHECK(added < 2e-6, isa, " ", ggml_type_name(type), " ", shape.name, " with residual: ", added);
}

}  // namespace

TEST("gemm: every geometry agrees with the plain sums") {
    for_each_isa([](const char* isa) {
        for (const Shape& shape : kShapes) check_shape(shape, GGML_TYPE_F32, isa);
        for (const Shape& shape : kShapes) check_shape(shape, GGML_TYPE_F16, isa);
    });
}

TEST("gemm: every weight type agrees with the plain sums over the same weights") {
    for_each_isa([](const char* isa) {
        for (ggml_type type :
             {GGML_TYPE_BF16, GGML_TYPE_Q8_0, GGML_TYPE_Q4_0, GGML_TYPE_Q5_1, GGML_TYPE_Q4_K, GGML_TYPE_Q6_K}) {
            check_shape({"linear, long sum", linear(11), 5120, 72}, type, isa);
            check_shape({"3x3, 256", conv(1, 5, 4, 3, 1, 1, 1, 1), 256, 65}, type, isa);
        }
        for (ggml_type type : {GGML_TYPE_BF16, GGML_TYPE_Q8_0, GGML_TYPE_Q4_0}) {
            check_shape({"linear 320", linear(7), 320, 100}, type, isa);
            check_shape({"3x3, 320", conv(1, 4, 4, 3, 1, 1, 1, 1), 320, 10}, type, isa);
        }
    });
}

TEST("gemm: the residual may be y itself") {
    for_each_isa([](const char* isa) {
        for (const Shape& shape : kShapes) {
            Problem p(shape, GGML_TYPE_F16, 21);
            p.args.residual = p.residual.data();
            const std::vector<float> apart = p.run();
            std::vector<float> y = p.residual;
            p.args.y = y.data(), p.args.residual = y.data();
            run_tasks(gemm_tasks(p.args), gemm_task, p.args);
            CHECK(same_bytes(y.data(), apart.data(), p.y_size), isa, " ", shape.name);
        }
    });
}

TEST("gemm: the bytes depend neither on the order of tasks nor on the batch") {
    for_each_isa([](const char* isa) {
        for (const Shape& shape : kShapes) {
            Problem p(shape, GGML_TYPE_F16, 3);
            p.args.residual = p.residual.data();
            const std::vector<float> all = p.run();
            CHECK(same_bytes(all.data(), p.run(true).data(), p.y_size), isa, " ", shape.name, " backwards");
            const int64_t batch = p.args.geometry.batch, whole = p.y_size;
            const int64_t in = int64_t(p.x.size()) / batch;
            p.args.geometry.batch = 1;
            p.y_size /= batch;
            for (int64_t b = 0; b < batch; ++b) {
                p.args.x = p.x.data() + b * in;
                p.args.residual = p.residual.data() + b * p.y_size;
                CHECK(same_bytes(all.data() + b * p.y_size, p.run().data(), p.y_size), isa, " ", shape.name,
                      " picture ", b, whole);
            }
        }
    });
}

TEST("gemm: the bytes do not depend on threads") {
    for_each_isa([](const char* isa) {
        Problem p({"", conv(2, 24, 24, 3, 1, 1, 1, 1), 64, 200}, GGML_TYPE_Q8_0, 3);
        const std::vector<float> alone = p.run();
        std::vector<float> y(alone.size());
        p.args.y = y.data();
        CHECK(gemm_tasks(p.args) >= 8, gemm_tasks(p.args));
        run_threads(4, gemm_tasks(p.args), gemm_task, p.args);
        CHECK(same_bytes(alone.data(), y.data(), p.y_size), isa);
    });
}

TEST("gemm: a row's bytes do not depend on the rows beside it") {
    for_each_isa([](const char* isa) {
        Problem p({"", linear(1200), 96, 70}, GGML_TYPE_BF16, 5);
        const std::vector<float> all = p.run();
        p.args.geometry = linear(1);
        p.y_size = p.args.y_stride;
        for (int64_t row : {0, 1, 5, 6, 7, 595, 1199}) {
            p.args.x = p.x.data() + row * p.args.x_stride;
            CHECK(same_bytes(all.data() + row * p.y_size, p.run().data(), p.y_size), isa, " row ", row);
        }
    });
}

TEST("gemm: weights that hold no numbers and kernels that do not fit are refused") {
    Problem p({"", linear(2), 32, 4}, GGML_TYPE_F32, 5);
    GemmArgs numbers = p.args, taps = p.args, large = p.args;
    numbers.weights.type = GGML_TYPE_I32;
    taps.weights.taps = 4;
    large.geometry.kernel = 8, large.weights.taps = 64;
    CHECK(error_code([&] { gemm_tasks(numbers); }) == "UNSUPPORTED_TYPE");
    CHECK(error_code([&] { gemm_tasks(taps); }) == "INVALID_ARGUMENT");
    CHECK(error_code([&] { gemm_tasks(large); }) == "INVALID_ARGUMENT");
}
