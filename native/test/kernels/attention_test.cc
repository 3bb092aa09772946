// attention_task() against softmax(q k^T) v, for every instruction set and the head sizes of real networks.
#include "native/kernels/attention/attention.h"

#include "native/test/kernels/support.h"

using namespace nd::kernels;
using namespace nd::test;

namespace {

struct Shape {
    int64_t batch, queries_per_key, q_tokens, k_tokens, heads, head_dim;
    bool causal;
};
const Shape kShapes[] = {
    {1, 1, 64, 64, 8, 40, false},  {2, 1, 70, 77, 8, 40, false},    {1, 1, 300, 300, 2, 80, false},
    {2, 2, 33, 77, 3, 160, false}, {1, 1, 130, 250, 1, 512, false}, {1, 1, 77, 77, 12, 64, true},
    {2, 1, 200, 200, 2, 32, true}, {4, 2, 16, 20, 2, 32, false},    {1, 1, 1, 1, 1, 8, false},
    {1, 1, 3, 5, 2, 9, false},     {1, 1, 17, 193, 1, 12, false},   {1, 1, 600, 400, 1, 8, false},
    {6, 3, 5, 7, 2, 24, false},    {1, 1, 600, 600, 1, 40, true},   {1, 1, 31, 385, 2, 50, false},
};

struct Problem {
    explicit Problem(const Shape& s, float scale = 1.0f, int64_t padding = 3) {
        const int64_t width = s.heads * s.head_dim, key_batch = (s.batch + s.queries_per_key - 1) / s.queries_per_key;
        args.q_stride = width + padding, args.k_stride = width + 2 * padding;
        args.v_stride = width + 3 * padding, args.out_stride = width + padding;
        args.batch = s.batch, args.queries_per_key = s.queries_per_key;
        args.q_tokens = s.q_tokens, args.k_tokens = s.k_tokens, args.heads = s.heads, args.head_dim = s.head_dim;
        args.scale = 1 / std::sqrt(float(s.head_dim)), args.causal = s.causal;
        q = normals(s.batch * s.q_tokens * args.q_stride, 1, scale);
        k = normals(key_batch * s.k_tokens * args.k_stride, 2, scale);
        v = normals(key_batch * s.k_tokens * args.v_stride, 3);
        args.q = q.data(), args.k = k.data(), args.v = v.data();
    }

    int64_t size() const { return args.batch * args.q_tokens * args.out_stride; }

    std::vector<float> run(bool backwards = false) {
        Guarded out(size());
        args.out = out.data();
        run_tasks(attention_tasks(args), attention_task, args, backwards);
        CHECK(out.intact());
        return {out.data(), out.data() + out.size()};
    }

    // Against the reference; infinite if the padding between rows was written.
    double error() {
        std::vector<float> got = run(), expected(got.size(), Guarded::kMark);
        args.out = expected.data();
        attention_reference(args);
        for (int64_t i = 0; i < size(); ++i) {
            if (i % args.out_stride < args.heads * args.head_dim) continue;
            if (got[i] != Guarded::kMark) return INFINITY;
            got[i] = expected[i] = 0;
        }
        return relative_error(got.data(), expected.data(), size());
    }

    AttentionArgs args;
    std::vector<float> q, k, v;
};

std::string describe(const Shape& s) {
    return std::to_string(s.q_tokens) + " x " + std::to_string(s.k_tokens) + " x " + std::to_string(s.head_dim) +
           (s.causal ? " causal" : "");
}

}  // namespace

TEST("attention: agrees with the definition") {
    for_each_isa([](const char* isa) {
        for (const Shape& shape : kShapes) {
            const double plain = Problem(shape).error(), sharp = Problem(shape, 3.0f).error();
            CHECK(plain < 1.5e-6, isa, " ", describe(shape), ": ", plain);
            CHECK(sharp < 6e-6, isa, " ", describe(shape), " with sharp scores: ", sharp);
        }
    });
}

TEST("attention: huge scores pick the largest without overflow") {
    for_each_isa([](const char* isa) {
        for (const Shape& shape : {Shape{1, 1, 40, 300, 2, 40, false}, Shape{1, 1, 40, 40, 2, 32, true}}) {
            Problem p(shape, 1e4f);
            const double error = p.error();
            CHECK(error < 1e-4, isa, " ", describe(shape), ": ", error);
        }
        Problem low({1, 1, 40, 300, 1, 16, false});
        for (float& value : low.q) value = -std::abs(value) * 1e5f;
        for (float& value : low.k) value = std::abs(value) * 1e5f;
        const double error = low.error();
        CHECK(error < 1e-4, isa, " all scores very negative: ", error);
    });
}

TEST("attention: equal scores give the mean of the values") {
    for_each_isa([](const char* isa) {
        Problem p({1, 1, 5, 1000, 1, 16, false}, 0.0f, 0);
        for (float& value : p.v) value = 2.5f;
        for (float value : p.run()) CHECK(std::abs(value - 2.5f) < 2e-5f, isa, " ", value);
    });
}

TEST("attention: the bytes depend neither on the order of tasks nor on the batch") {
    for_each_isa([](const char* isa) {
        for (const Shape& shape : kShapes) {
            Problem p(shape);
            const std::vector<float> all = p.run();
            CHECK(same_bytes(all.data(), p.run(true).data(), p.size()), isa, " ", describe(shape), " backwards");
            const int64_t rows = p.args.q_tokens, keys = p.args.k_tokens;
            p.args.batch = 1;
            for (int64_t b = 0; b < shape.batch; ++b) {
                const int64_t key_batch = b / shape.queries_per_key;
                p.args.q = p.q.data() + b * rows * p.args.q_stride;
                p.args.k = p.k.data() + key_batch * keys * p.args.k_stride;
                p.args.v = p.v.data() + key_batch * keys * p.args.v_stride;
                CHECK(same_bytes(all.data() + b * p.size(), p.run().data(), p.size()), isa, " ", describe(shape),
                      " picture ", b);
            }
        }
    });
}

TEST("attention: the bytes do not depend on threads") {
    for_each_isa([](const char* isa) {
        Problem p({2, 1, 300, 300, 4, 40, false}, 1.0f, 0);
        const std::vector<float> alone = p.run();
        std::vector<float> out(alone.size());
        p.args.out = out.data();
        CHECK(attention_tasks(p.args) >= 8, attention_tasks(p.args));
        run_threads(4, attention_tasks(p.args), attention_task, p.args);
        CHECK(same_bytes(alone.data(), out.data(), p.size()), isa);
    });
}

TEST("attention: heads without dimensions and queries without keys are refused") {
    AttentionArgs args;
    args.q_tokens = args.k_tokens = 4;
    CHECK(error_code([&] { attention_tasks(args); }) == "INVALID_ARGUMENT");
    args.head_dim = 8, args.k_tokens = 0;
    CHECK(error_code([&] { attention_tasks(args); }) == "INVALID_ARGUMENT");
}
