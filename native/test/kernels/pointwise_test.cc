// Activations, concatenation and the addition of rows against their definitions.
#include "native/kernels/pointwise/pointwise.h"

#include "native/test/kernels/formats.h"
#include "native/test/kernels/support.h"

using namespace nd::kernels;
using namespace nd::test;

namespace {

struct Kind {
    Activation kind;
    const char* name;
};
const Kind kKinds[] = {{Activation::silu, "silu"},           {Activation::gelu, "gelu"},
                       {Activation::gelu_tanh, "gelu_tanh"}, {Activation::quick_gelu, "quick_gelu"},
                       {Activation::relu, "relu"},           {Activation::leaky_relu, "leaky_relu"}};

std::vector<float> activate(Activation kind, const std::vector<float>& x, int64_t channels, bool backwards = false) {
    Guarded y(static_cast<int64_t>(x.size()));
    const ActivationArgs args{kind, x.data(), y.data(), y.size() / channels, channels};
    run_tasks(activation_tasks(args), activation_task, args, backwards);
    CHECK(y.intact());
    return {y.data(), y.data() + y.size()};
}

}  // namespace

TEST("pointwise: activations agree with their definitions") {
    std::vector<float> x;
    for (int i = -120000; i <= 120000; ++i) x.push_back(float(i) * 1e-4f);
    for (float v : {-1e30f, -1e4f, -100.0f, -88.5f, -87.0f, 87.0f, 88.5f, 100.0f, 1e4f, 1e30f, 1e-30f, -1e-30f, 0.0f})
        x.push_back(v);
    for_each_isa([&](const char* isa) {
        for (const Kind& kind : kKinds) {
            std::vector<float> expected(x.size());
            const auto size = static_cast<int64_t>(x.size());
            activation_reference({kind.kind, x.data(), expected.data(), 1, size});
            const std::vector<float> got = activate(kind.kind, x, size);
            for (size_t i = 0; i < x.size(); ++i) {
                const double error = std::abs(double(got[i]) - expected[i]);
                const double scale = std::max(1e-30 * std::abs(double(x[i])), std::min(1.0, std::abs(double(x[i]))));
                if (error <= 2.5e-7 * std::max(scale, std::abs(double(expected[i])))) continue;
                CHECK(false, isa, " ", kind.name, "(", x[i], ") = ", got[i], ", expected ", expected[i]);
                break;
            }
            CHECK(relative_error(got.data(), expected.data(), 240001) < 1.5e-7, isa, " ", kind.name);
        }
    });
}

TEST("pointwise: activations propagate NaN, work in place, and know no order or neighbours") {
    const int64_t channels = 77, rows = 1300;
    const std::vector<float> x = normals(rows * channels, 1, 3.0f);
    for_each_isa([&](const char* isa) {
        for (const Kind& kind : kKinds) {
            const std::vector<float> got = activate(kind.kind, x, channels);
            CHECK(same_bytes(got.data(), activate(kind.kind, x, channels, true).data(), got.size()), isa, " ",
                  kind.name);
            std::vector<float> y = x;
            const ActivationArgs args{kind.kind, y.data(), y.data(), rows, channels};
            run_tasks(activation_tasks(args), activation_task, args);
            CHECK(same_bytes(got.data(), y.data(), got.size()), isa, " ", kind.name, " in place");
            for (int64_t i : {0, 1, 15, 76, 100099}) {
                const std::vector<float> one = activate(kind.kind, {x[i]}, 1);
                CHECK(same_bytes(one.data(), &got[i], 1), isa, " ", kind.name, " at ", i);
            }
            CHECK(std::isnan(activate(kind.kind, {NAN, 1.0f}, 2)[0]), isa, " ", kind.name);
        }
    });
}

TEST("pointwise: activations agree with their definitions in every format") {
    for_each_isa([](const char* isa) {
        for (int64_t channels : {1, 2, 3, 16, 31, 37, 320, 1283, 40000}) {
            const int64_t rows = channels > 2000 ? 3 : 97;
            for (Format from : {Format::f32, Format::bf16}) {
                GuardedRows x(from, normals(rows * channels, 9, 2.0f), channels);
                for (Format to : {Format::f32, Format::bf16, Format::i8}) {
                    GuardedRows y(to, rows, channels), expected(to, rows, channels);
                    for (const Kind& kind : kKinds) {
                        activation_reference({kind.kind, x.data(), expected.data(), rows, channels, from, to});
                        const ActivationArgs args{kind.kind, x.data(), y.data(), rows, channels, from, to};
                        run_tasks(activation_tasks(args), activation_task, args, true);
                        const std::string wrong = y.difference(expected, 3e-7);
                        CHECK(wrong.empty(), isa, " ", kind.name, " ", channels, " ", format_name(from), " to ",
                              format_name(to), ": ", wrong);
                    }
                }
            }
        }
    });
}

TEST("pointwise: concatenation puts a's channels before b's, in the formats asked for") {
    const auto map = [](Format format, int64_t rows, int64_t channels, uint64_t seed) {
        return GuardedRows(format, normals(rows * channels, seed), channels);
    };
    for_each_isa([&](const char* isa) {
        for (auto [a, b] : {std::pair<int64_t, int64_t>{1, 1}, {3, 5}, {320, 640}, {20000, 20000}}) {
            const int64_t rows = 70;
            for (int formats = 0; formats < 8; ++formats) {
                const auto format = [=](int bit) { return formats >> bit & 1 ? Format::bf16 : Format::f32; };
                GuardedRows left = map(format(0), rows, a, 1), right = map(format(1), rows, b, 2);
                GuardedRows y(format(2), rows, a + b), expected(format(2), rows, a + b);
                const ConcatArgs args{left.data(), right.data(), y.data(), rows, a, b, format(0), format(1), format(2)};
                run_tasks(concat_tasks(args), concat_task, args, true);
                const std::vector<double> l = left.values(), r = right.values();
                std::vector<double> both;
                for (int64_t row = 0; row < rows; ++row) {
                    both.insert(both.end(), l.begin() + row * a, l.begin() + (row + 1) * a);
                    both.insert(both.end(), r.begin() + row * b, r.begin() + (row + 1) * b);
                }
                write_rows_reference(both, expected.data(), format(2), rows, a + b);
                CHECK(y.same(expected) && y.intact(), isa, " ", a, " ", b, " ", formats);
            }
        }
    });
}

TEST("pointwise: one row is added to as many rows as share it, in the formats asked for") {
    for_each_isa([](const char* isa) {
        for (int64_t channels : {1, 5, 16, 37, 320, 1283, 40000}) {
            for (int64_t share : {1, 35, 70}) {
                const int64_t rows = channels > 2000 ? 2 : 70, shared = std::min(share, rows);
                const std::vector<float> addends = normals(rows / shared * channels, 3);
                for (int formats = 0; formats < 4; ++formats) {
                    const auto format = [=](int bit) { return formats >> bit & 1 ? Format::bf16 : Format::f32; };
                    GuardedRows x(format(0), normals(rows * channels, 4), channels);
                    GuardedRows y(format(1), rows, channels), expected(format(1), rows, channels);
                    AddRowsArgs args{x.data(), addends.data(), y.data(), rows, channels, shared, format(0), format(1)};
                    run_tasks(add_rows_tasks(args), add_rows_task, args, true);
                    args.y = expected.data();
                    add_rows_reference(args);
                    const std::string wrong = y.difference(expected, 1e-7);
                    CHECK(wrong.empty() && y.intact(), isa, " ", channels, " ", shared, " ", formats, ": ", wrong);
                    if (format(0) != format(1)) continue;
                    args.y = x.data();
                    run_tasks(add_rows_tasks(args), add_rows_task, args);
                    CHECK(x.same(y), isa, " ", channels, " in place");
                }
            }
        }
    });
}

TEST("pointwise: sums scale a and repeat b, in the formats asked for") {
    for_each_isa([&](const char* isa) {
        for (int64_t channels : {1, 3, 16, 37, 320, 40000}) {
            const int64_t b_rows = 7, rows = 3 * b_rows;
            for (Format from : {Format::f32, Format::bf16}) {
                GuardedRows a(from, normals(rows * channels, 1), channels);
                for (Format added : {Format::f32, Format::bf16}) {
                    GuardedRows b(added, normals(b_rows * channels, 2), channels);
                    for (Format to : {Format::f32, Format::bf16, Format::i8}) {
                        GuardedRows y(to, rows, channels), expected(to, rows, channels);
                        AddArgs args{a.data(), b.data(), y.data(), rows, b_rows, channels, 0.2f, from, added, to};
                        run_tasks(add_tasks(args), add_task, args, true);
                        args.y = expected.data();
                        add_reference(args);
                        const std::string wrong = y.difference(expected, 3e-7);
                        CHECK(wrong.empty(), isa, " ", channels, " ", format_name(from), " + ", format_name(added),
                              " to ", format_name(to), ": ", wrong);
                    }
                }
            }
        }
    });
}

TEST("pointwise: maps that are i8 and may not be are refused") {
    ActivationArgs activation;
    activation.x_format = Format::i8;
    CHECK(error_code([&] { activation_tasks(activation); }) == "INVALID_ARGUMENT");
    for (Format AddArgs::*format : {&AddArgs::a_format, &AddArgs::b_format}) {
        AddArgs args;
        args.*format = Format::i8;
        CHECK(error_code([&] { add_tasks(args); }) == "INVALID_ARGUMENT");
    }
    for (Format ConcatArgs::*format : {&ConcatArgs::a_format, &ConcatArgs::b_format, &ConcatArgs::y_format}) {
        ConcatArgs args;
        args.*format = Format::i8;
        CHECK(error_code([&] { concat_tasks(args); }) == "INVALID_ARGUMENT");
    }
}
