// attention_task() against softmax(q k^T) v, for every format and instruction set and the head sizes of real networks.
#include "native/kernels/attention/attention.h"

#include "native/kernels/attention/variants.h"
#include "native/kernels/simd/bf16.h"
#include "native/test/kernels/support.h"

using namespace nd::kernels;
using namespace nd::test;

namespace {

struct Shape {
    int64_t batch, queries_per_key, q_tokens, k_tokens, heads, head_dim;
    bool causal;
};
const Shape kShapes[] = {
    {1, 1, 64, 64, 8, 40, false},   {2, 1, 70, 77, 8, 40, false},    {1, 1, 300, 300, 2, 80, false},
    {2, 2, 33, 77, 3, 160, false},  {1, 1, 130, 250, 1, 512, false}, {1, 1, 77, 77, 12, 64, true},
    {2, 1, 200, 200, 2, 32, true},  {4, 2, 16, 20, 2, 32, false},    {1, 1, 1, 1, 1, 8, false},
    {1, 1, 3, 5, 2, 9, false},      {1, 1, 17, 193, 1, 12, false},   {1, 1, 600, 400, 1, 8, false},
    {6, 3, 5, 7, 2, 24, false},     {1, 1, 600, 600, 1, 40, true},   {1, 1, 31, 385, 2, 50, false},
    {1, 1, 33, 191, 2, 33, false},  {1, 1, 65, 192, 1, 96, true},    {1, 1, 20, 3, 3, 1, false},
    {1, 1, 385, 515, 1, 20, false}, {1, 1, 40, 90, 2, 77, true},     {2, 1, 48, 64, 4, 14, false},
    {1, 1, 300, 40, 1, 22, true},   {1, 1, 90, 97, 1, 200, false},
};

using Task = void (*)(const AttentionArgs&, int64_t);

struct Variant {
    std::string name;
    Format format;
    Task task;
};

// Runs `body` with each format on each instruction set, and with bf16 on AVX-512 alone where the CPU has more.
void for_each_variant(const std::function<void(const Variant&)>& body) {
    for_each_isa([&](const char* isa) {
        body({isa, Format::f32, attention_task});
        body({std::string(isa) + " bf16", Format::bf16, attention_task});
#if ND_X86
        if (has_bf16()) body({"avx512 bf16, portable", Format::bf16, avx512::attention_task});
#endif
    });
}

using Bytes = std::vector<char>;

struct Problem {
    Problem(const Shape& s, Format f, float scale = 1.0f, int64_t padding = 3) : format(f) {
        const int64_t width = s.heads * s.head_dim, key_batch = (s.batch + s.queries_per_key - 1) / s.queries_per_key;
        args.q_stride = width + padding, args.k_stride = width + 2 * padding;
        args.v_stride = width + 3 * padding, args.out_stride = width + padding;
        args.batch = s.batch, args.queries_per_key = s.queries_per_key;
        args.q_tokens = s.q_tokens, args.k_tokens = s.k_tokens, args.heads = s.heads, args.head_dim = s.head_dim;
        args.scale = 1 / std::sqrt(float(s.head_dim)), args.causal = s.causal, args.format = f;
        q = normals(s.batch * s.q_tokens * args.q_stride, 1, scale);
        k = normals(key_batch * s.k_tokens * args.k_stride, 2, scale);
        v = normals(key_batch * s.k_tokens * args.v_stride, 3);
    }

    int64_t size() const { return args.batch * args.q_tokens * args.out_stride; }
    int64_t value_bytes() const { return static_cast<int64_t>(row_bytes(format, 1)); }

    Bytes rows(const std::vector<float>& values) const {
        Bytes bytes(row_bytes(format, static_cast<int64_t>(values.size())));
        for (size_t i = 0; i < values.size(); ++i) {
            const uint16_t half = to_bf16(values[i]);
            if (format == Format::f32) std::memcpy(&bytes[4 * i], &values[i], 4);
            if (format == Format::bf16) std::memcpy(&bytes[2 * i], &half, 2);
        }
        return bytes;
    }

    std::vector<float> values(const Bytes& bytes) const {
        std::vector<float> values(bytes.size() / value_bytes());
        for (size_t i = 0; i < values.size(); ++i) {
            uint16_t half;
            if (format == Format::f32) std::memcpy(&values[i], &bytes[4 * i], 4);
            if (format == Format::bf16) std::memcpy(&half, &bytes[2 * i], 2), values[i] = from_bf16(half);
        }
        return values;
    }

    // What `compute` writes, given rows of queries, keys and values from picture `b` of `batch` on.
    Bytes output(const std::function<void()>& compute, int64_t b = 0) {
        const int64_t key_row = b / args.queries_per_key * args.k_tokens;
        const Bytes queries = rows(q), keys = rows(k), values = rows(v);
        Guarded out((size() * value_bytes() + 3) / 4);
        args.q = queries.data() + b * args.q_tokens * args.q_stride * value_bytes();
        args.k = keys.data() + key_row * args.k_stride * value_bytes();
        args.v = values.data() + key_row * args.v_stride * value_bytes();
        args.out = out.data();
        compute();
        CHECK(out.intact());
        const char* bytes = reinterpret_cast<const char*>(out.data());
        return {bytes, bytes + size() * value_bytes()};
    }

    Bytes run(Task task, bool backwards = false, int64_t b = 0) {
        return output([&] { run_tasks(attention_tasks(args), task, args, backwards); }, b);
    }

    // Against the reference; infinite if the padding between rows was written.
    double error(Task task) {
        const Bytes bytes = run(task), wanted = output([&] { attention_reference(args); });
        std::vector<float> got = values(bytes), expected = values(wanted);
        for (int64_t i = 0; i < size(); ++i) {
            if (i % args.out_stride < args.heads * args.head_dim) continue;
            if (std::memcmp(&bytes[i * value_bytes()], &wanted[i * value_bytes()], value_bytes()) != 0) return INFINITY;
            got[i] = expected[i] = 0;
        }
        return relative_error(got.data(), expected.data(), size());
    }

    Format format;
    AttentionArgs args;
    std::vector<float> q, k, v;
};

std::string describe(const Shape& s) {
    return std::to_string(s.q_tokens) + " x " + std::to_string(s.k_tokens) + " x " + std::to_string(s.head_dim) +
           (s.causal ? " causal" : "");
}

}  // namespace

TEST("attention: agrees with the definition") {
    for_each_variant([](const Variant& variant) {
        const bool bf16 = variant.format == Format::bf16;
        for (const Shape& shape : kShapes) {
            const double plain = Problem(shape, variant.format).error(variant.task);
            const double sharp = Problem(shape, variant.format, 3.0f).error(variant.task);
            CHECK(plain < (bf16 ? 3.5e-3 : 1.5e-6), variant.name, " ", describe(shape), ": ", plain);
            CHECK(sharp < (bf16 ? 3.5e-3 : 6e-6), variant.name, " ", describe(shape), " with sharp scores: ", sharp);
        }
    });
}

TEST("attention: a scale may be negative or nothing") {
    for_each_variant([](const Variant& variant) {
        for (float scale : {-0.3f, 0.0f}) {
            Problem p({1, 1, 40, 200, 2, 40, false}, variant.format);
            p.args.scale = scale;
            const double error = p.error(variant.task);
            CHECK(error < 3.5e-3, variant.name, " ", scale, ": ", error);
        }
    });
}

TEST("attention: huge scores pick the largest without overflow") {
    for_each_variant([](const Variant& variant) {
        const double limit = variant.format == Format::bf16 ? 3.5e-3 : 1e-4;
        for (const Shape& shape : {Shape{1, 1, 40, 300, 2, 40, false}, Shape{1, 1, 40, 40, 2, 32, true}}) {
            Problem p(shape, variant.format, 1e4f);
            const double error = p.error(variant.task);
            CHECK(error < limit, variant.name, " ", describe(shape), ": ", error);
        }
        Problem low({1, 1, 40, 300, 1, 16, false}, variant.format);
        for (float& value : low.q) value = -std::abs(value) * 1e5f;
        for (float& value : low.k) value = std::abs(value) * 1e5f;
        const double error = low.error(variant.task);
        CHECK(error < limit, variant.name, " all scores very negative: ", error);
    });
}

TEST("attention: scores may grow and shrink from key to key") {
    for_each_variant([](const Variant& variant) {
        for (bool causal : {false, true}) {
            const Shape shape{1, 1, 700, 700, 1, 40, causal};
            for (int kind = 0; kind < 4; ++kind) {
                Problem p(shape, variant.format);
                for (size_t i = 0; i < p.k.size(); ++i) {
                    const int64_t key = static_cast<int64_t>(i) / p.args.k_stride;
                    const float slope = 0.02f * static_cast<float>(key);
                    const bool far = key >= 300 && key < 500;
                    p.k[i] *= kind == 0 ? slope : kind == 1 ? 14 - slope : kind == 2 ? (far ? 20 : 1) : (far ? 1 : 20);
                }
                const double error = p.error(variant.task);
                CHECK(error < (variant.format == Format::bf16 ? 3.5e-3 : 1e-5), variant.name, " ", describe(shape),
                      " kind ", kind, ": ", error);
            }
        }
    });
}

TEST("attention: equal scores give the mean of the values") {
    for_each_variant([](const Variant& variant) {
        Problem p({1, 1, 5, 1000, 1, 16, false}, variant.format, 0.0f, 0);
        for (float& value : p.v) value = 2.5f;
        for (float value : p.values(p.run(variant.task)))
            CHECK(std::abs(value - 2.5f) < 2e-5f, variant.name, " ", value);
    });
}

TEST("attention: what is not finite shows in what depends on it") {
    for_each_variant([](const Variant& variant) {
        for (float bad : {NAN, INFINITY}) {
            Problem query({1, 1, 40, 200, 1, 40, false}, variant.format);
            query.q[7 * query.args.q_stride + 5] = bad;
            const std::vector<float> one = query.values(query.run(variant.task));
            Problem key({1, 1, 40, 200, 1, 40, false}, variant.format);
            key.k[150 * key.args.k_stride + 5] = bad;
            const std::vector<float> all = key.values(key.run(variant.task));
            for (int64_t t = 0; t < 40; ++t) {
                for (int64_t i = 0; i < 40; ++i) {
                    const int64_t at = t * query.args.out_stride + i;
                    CHECK(std::isfinite(one[at]) == (t != 7), variant.name, " query ", bad, " ", t, ": ", one[at]);
                    // An infinite key may as well lose against all others.
                    CHECK(!std::isfinite(all[at]) || bad == INFINITY, variant.name, " key ", t, ": ", all[at]);
                }
            }
        }
    });
}

TEST("attention: the bytes depend neither on the order of tasks nor on the batch") {
    for_each_variant([](const Variant& variant) {
        for (const Shape& shape : kShapes) {
            Problem p(shape, variant.format, 1.0f, 4);  // so that a picture is whole floats of Guarded
            const Bytes all = p.run(variant.task);
            CHECK(all == p.run(variant.task, true), variant.name, " ", describe(shape), " backwards");
            p.args.batch = 1;
            const int64_t picture = p.size() * p.value_bytes();
            for (int64_t b = 0; b < shape.batch; ++b) {
                const Bytes alone = p.run(variant.task, false, b);
                CHECK(std::memcmp(&all[b * picture], alone.data(), picture) == 0, variant.name, " ", describe(shape),
                      " picture ", b);
            }
        }
    });
}

TEST("attention: the bytes do not depend on threads") {
    for_each_variant([](const Variant& variant) {
        Problem p({2, 1, 300, 300, 4, 40, false}, variant.format, 1.0f, 0);
        CHECK(attention_tasks(p.args) >= 8, attention_tasks(p.args));
        const Bytes alone = p.run(variant.task);
        const Bytes together = p.output([&] { run_threads(4, attention_tasks(p.args), variant.task, p.args); });
        CHECK(alone == together, variant.name);
    });
}

TEST("attention: heads without dimensions, queries without keys and rows of int8 are refused") {
    AttentionArgs args;
    args.q_tokens = args.k_tokens = 4;
    CHECK(error_code([&] { attention_tasks(args); }) == "INVALID_ARGUMENT");
    args.head_dim = 8, args.k_tokens = 0;
    CHECK(error_code([&] { attention_tasks(args); }) == "INVALID_ARGUMENT");
    args.k_tokens = 4, args.format = Format::i8;
    CHECK(error_code([&] { attention_tasks(args); }) == "INVALID_ARGUMENT");
}
