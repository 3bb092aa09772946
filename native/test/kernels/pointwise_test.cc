// Activations, gates and concatenation against their definitions.
#include "native/kernels/pointwise/pointwise.h"

#include "native/test/kernels/support.h"

using namespace nd::kernels;
using namespace nd::test;

namespace {

struct Kind {
    Activation kind;
    const char* name;
};
const Kind kKinds[] = {{Activation::silu, "silu"},
                       {Activation::gelu, "gelu"},
                       {Activation::gelu_tanh, "gelu_tanh"},
                       {Activation::quick_gelu, "quick_gelu"}};

std::vector<float> activate(ActivationArgs args, const std::vector<float>& x, bool backwards = false) {
    Guarded y(static_cast<int64_t>(x.size()));
    args.x = x.data(), args.y = y.data(), args.size = y.size();
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
            activation_reference({kind.kind, x.data(), expected.data(), int64_t(x.size())});
            const std::vector<float> got = activate({kind.kind}, x);
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
    const std::vector<float> x = normals(100003, 1, 3.0f);
    for_each_isa([&](const char* isa) {
        for (const Kind& kind : kKinds) {
            const std::vector<float> got = activate({kind.kind}, x);
            CHECK(same_bytes(got.data(), activate({kind.kind}, x, true).data(), got.size()), isa, " ", kind.name);
            std::vector<float> y = x;
            const ActivationArgs args{kind.kind, y.data(), y.data(), int64_t(y.size())};
            run_tasks(activation_tasks(args), activation_task, args);
            CHECK(same_bytes(got.data(), y.data(), got.size()), isa, " ", kind.name, " in place");
            for (int64_t i : {0, 1, 15, 100002}) {
                const std::vector<float> one = activate({kind.kind}, {x[i]});
                CHECK(same_bytes(one.data(), &got[i], 1), isa, " ", kind.name, " at ", i);
            }
            CHECK(std::isnan(activate({kind.kind}, {NAN, 1.0f})[0]), isa, " ", kind.name);
        }
    });
}

TEST("pointwise: GEGLU agrees with its definition") {
    for_each_isa([](const char* isa) {
        for (int64_t channels : {1, 3, 16, 37, 1280, 40000}) {
            const int64_t rows = channels > 1000 ? 3 : 97;
            const std::vector<float> x = normals(rows * channels * 2, 9, 2.0f);
            std::vector<float> expected(static_cast<size_t>(rows * channels));
            geglu_reference({x.data(), expected.data(), rows, channels});
            Guarded y(rows * channels);
            const GegluArgs args{x.data(), y.data(), rows, channels};
            run_tasks(geglu_tasks(args), geglu_task, args, true);
            CHECK(y.intact());
            const double error = relative_error(y.data(), expected.data(), y.size());
            CHECK(error < 3e-7, isa, " ", channels, ": ", error);
        }
    });
}

TEST("pointwise: concatenation puts a's channels before b's") {
    for (auto [a, b] : {std::pair<int64_t, int64_t>{1, 1}, {3, 5}, {320, 640}, {20000, 20000}}) {
        const int64_t rows = 70;
        const std::vector<float> left = normals(rows * a, 1), right = normals(rows * b, 2);
        Guarded y(rows * (a + b));
        const ConcatArgs args{left.data(), right.data(), y.data(), rows, a, b};
        run_tasks(concat_tasks(args), concat_task, args, true);
        CHECK(y.intact());
        for (int64_t row = 0; row < rows; ++row) {
            CHECK(same_bytes(y.data() + row * (a + b), left.data() + row * a, a), a, " ", b);
            CHECK(same_bytes(y.data() + row * (a + b) + a, right.data() + row * b, b), a, " ", b);
        }
    }
}
