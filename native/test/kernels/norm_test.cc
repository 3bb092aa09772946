// GroupNorm and LayerNorm against their definitions, with means that would ruin a careless variance.
#include "native/kernels/norm/norm.h"

#include "native/test/kernels/formats.h"
#include "native/test/kernels/support.h"

using namespace nd::kernels;
using namespace nd::test;

namespace {

struct Shape {
    int64_t batch, pixels, channels, groups;
};
const Shape kShapes[] = {{1, 1, 32, 32}, {2, 64, 320, 32}, {1, 4096, 320, 32}, {2, 100, 2560, 32}, {1, 1000, 128, 32},
                         {1, 77, 36, 4}, {2, 5, 7, 1},     {1, 20000, 64, 8},  {1, 33, 1920, 32},  {3, 260, 96, 16}};

struct Problem {
    Problem(const Shape& s, float scale, float offset, bool silu) {
        x = normals(s.batch * s.pixels * s.channels, 3, scale, offset);
        gamma = normals(s.channels, 4), beta = normals(s.channels, 5);
        sums.resize(group_norm_sums_size(s.batch, s.pixels, s.channels, s.groups));
        args.x = x.data(), args.batch = s.batch, args.pixels = s.pixels, args.channels = s.channels,
        args.groups = s.groups;
        args.gamma = gamma.data(), args.beta = beta.data(), args.silu = silu, args.sums = sums.data();
    }

    std::vector<float> run(bool backwards = false) {
        Guarded y(args.batch * args.pixels * args.channels);
        args.y = y.data();
        passes(backwards);
        CHECK(y.intact());
        return {y.data(), y.data() + y.size()};
    }

    void passes(bool backwards) {
        run_tasks(group_norm_sums_tasks(args), group_norm_sums_task, args, backwards);
        run_tasks(group_norm_apply_tasks(args), group_norm_apply_task, args, backwards);
    }

    GroupNormArgs args;
    std::vector<float> x, gamma, beta, sums;
};

}  // namespace

TEST("norm: GroupNorm agrees with its definition") {
    for_each_isa([](const char* isa) {
        for (const Shape& shape : kShapes) {
            for (bool silu : {false, true}) {
                Problem p(shape, 2.0f, 0.5f, silu);
                std::vector<float> expected(p.x.size());
                p.args.y = expected.data();
                group_norm_reference(p.args);
                const double error = relative_error(p.run().data(), expected.data(), expected.size());
                CHECK(error < 1e-6, isa, " ", shape.pixels, " x ", shape.channels, silu ? " silu: " : ": ", error);
            }
        }
    });
}

TEST("norm: GroupNorm keeps its accuracy when the mean is a thousand deviations") {
    for_each_isa([](const char* isa) {
        for (const Shape& shape : {Shape{1, 4096, 64, 8}, Shape{2, 300, 320, 32}}) {
            Problem p(shape, 0.01f, 10.0f, false);
            p.args.eps = 1e-6f;
            std::vector<float> expected(p.x.size());
            p.args.y = expected.data();
            group_norm_reference(p.args);
            const double error = relative_error(p.run().data(), expected.data(), expected.size());
            CHECK(error < 1e-4, isa, " ", shape.pixels, ": ", error);
        }
    });
}

TEST("norm: GroupNorm of equal values is beta") {
    for_each_isa([](const char* isa) {
        Problem p({1, 300, 64, 4}, 0.0f, 3.7f, false);
        const std::vector<float> y = p.run();
        for (size_t i = 0; i < y.size(); ++i) {
            if (std::abs(y[i] - p.beta[i % 64]) < 1e-3) continue;
            CHECK(false, isa, " ", y[i], " instead of ", p.beta[i % 64]);
            break;
        }
    });
}

TEST("norm: GroupNorm's bytes depend neither on order nor on batch, and y may be x") {
    for_each_isa([](const char* isa) {
        for (const Shape& shape : kShapes) {
            Problem p(shape, 1.0f, 0.1f, true);
            const std::vector<float> all = p.run();
            CHECK(same_bytes(all.data(), p.run(true).data(), all.size()), isa, " ", shape.channels);
            Problem in_place = p;
            in_place.args.x = in_place.args.y = in_place.x.data();
            in_place.passes(true);
            CHECK(same_bytes(all.data(), in_place.x.data(), all.size()), isa, " ", shape.channels, " in place");
            const int64_t picture = shape.pixels * shape.channels;
            p.args.batch = 1;
            for (int64_t b = 0; b < shape.batch; ++b) {
                p.args.x = p.x.data() + b * picture;
                CHECK(same_bytes(all.data() + b * picture, p.run().data(), picture), isa, " ", shape.channels,
                      " picture ", b);
            }
        }
    });
}

TEST("norm: LayerNorm agrees with its definition") {
    for_each_isa([](const char* isa) {
        for (int64_t channels : {1, 5, 16, 63, 320, 768, 1280, 40000}) {
            const int64_t rows = channels > 2000 ? 2 : 150;
            for (float offset : {0.0f, 100.0f}) {
                const std::vector<float> x = normals(rows * channels, 8, 1.5f, offset);
                const std::vector<float> gamma = normals(channels, 9), beta = normals(channels, 10);
                std::vector<float> expected(x.size());
                LayerNormArgs args{x.data(), rows, channels, 1e-5f, gamma.data(), beta.data(), expected.data()};
                layer_norm_reference(args);
                Guarded y(rows * channels);
                args.y = y.data();
                run_tasks(layer_norm_tasks(args), layer_norm_task, args, true);
                CHECK(y.intact());
                const double error = relative_error(y.data(), expected.data(), y.size());
                CHECK(error < (offset > 0 ? 1e-5 : 5e-7), isa, " ", channels, " + ", offset, ": ", error);

                std::vector<float> same = x;
                args.x = args.y = same.data();
                run_tasks(layer_norm_tasks(args), layer_norm_task, args);
                CHECK(same_bytes(same.data(), y.data(), y.size()), isa, " ", channels, " in place");
            }
        }
    });
}

TEST("norm: GroupNorm agrees with its definition in every format, whatever the order of tasks") {
    for_each_isa([](const char* isa) {
        for (const Shape& shape : kShapes) {
            const int64_t rows = shape.batch * shape.pixels;
            Problem p(shape, 2.0f, 0.5f, shape.channels % 64 == 0);
            for (Format from : {Format::f32, Format::bf16}) {
                GuardedRows x(from, p.x, shape.channels);
                for (Format to : {Format::f32, Format::bf16, Format::i8}) {
                    GuardedRows y(to, rows, shape.channels), expected(to, rows, shape.channels);
                    GuardedRows backwards(to, rows, shape.channels);
                    p.args.x = x.data(), p.args.x_format = from, p.args.y_format = to;
                    p.args.y = expected.data();
                    group_norm_reference(p.args);
                    p.args.y = y.data();
                    p.passes(false);
                    p.args.y = backwards.data();
                    p.passes(true);
                    const std::string wrong = y.difference(expected, 1e-6);
                    CHECK(wrong.empty(), isa, " ", shape.pixels, " x ", shape.channels, " ", format_name(from), " to ",
                          format_name(to), ": ", wrong);
                    CHECK(y.same(backwards), isa, " ", shape.pixels, " x ", shape.channels, " ", format_name(to));
                }
            }
        }
    });
}

TEST("norm: LayerNorm agrees with its definition in every format") {
    for_each_isa([](const char* isa) {
        for (int64_t channels : {1, 3, 5, 16, 31, 63, 77, 320, 1280, 40000}) {
            const int64_t rows = channels > 2000 ? 2 : 150;
            const std::vector<float> gamma = normals(channels, 9), beta = normals(channels, 10);
            for (Format from : {Format::f32, Format::bf16}) {
                GuardedRows x(from, normals(rows * channels, 8, 1.5f, 0.5f), channels);
                for (Format to : {Format::f32, Format::bf16, Format::i8}) {
                    for (bool affine : {true, false}) {
                        GuardedRows y(to, rows, channels), expected(to, rows, channels);
                        LayerNormArgs args{x.data(),        rows, channels, 1e-5f, nullptr, nullptr,
                                           expected.data(), from, to};
                        if (affine) args.gamma = gamma.data(), args.beta = beta.data();
                        layer_norm_reference(args);
                        args.y = y.data();
                        run_tasks(layer_norm_tasks(args), layer_norm_task, args, true);
                        const std::string wrong = y.difference(expected, 1e-6);
                        CHECK(wrong.empty(), isa, " ", channels, " ", format_name(from), " to ", format_name(to), ": ",
                              wrong);
                    }
                }
            }
        }
    });
}

TEST("norm: bf16 in place") {
    for_each_isa([](const char* isa) {
        Problem p({2, 100, 2560, 32}, 2.0f, 0.5f, true);
        GuardedRows x(Format::bf16, p.x, 2560), y(Format::bf16, 200, 2560);
        p.args.x_format = p.args.y_format = Format::bf16;
        p.args.x = x.data(), p.args.y = y.data();
        p.passes(false);
        p.args.y = x.data();
        p.passes(false);
        CHECK(x.same(y) && x.intact(), isa);
    });
}

TEST("norm: maps that are i8 are refused") {
    GroupNormArgs group;
    group.pixels = 4, group.channels = 32, group.x_format = Format::i8;
    CHECK(error_code([&] { group_norm_sums_tasks(group); }) == "INVALID_ARGUMENT");
    CHECK(error_code([&] { group_norm_apply_tasks(group); }) == "INVALID_ARGUMENT");
    LayerNormArgs layer;
    layer.rows = layer.channels = 4, layer.x_format = Format::i8;
    CHECK(error_code([&] { layer_norm_tasks(layer); }) == "INVALID_ARGUMENT");
}

TEST("norm: groups that do not divide the channels are refused") {
    GroupNormArgs args;
    args.pixels = 4, args.channels = 33, args.groups = 32;
    CHECK(error_code([&] { group_norm_sums_tasks(args); }) == "INVALID_ARGUMENT");
    args.groups = 0;
    CHECK(error_code([&] { group_norm_sums_tasks(args); }) == "INVALID_ARGUMENT");
}
