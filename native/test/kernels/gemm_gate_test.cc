// Gated linear layers against their definition, for every instruction set and kind of weights.
#include <functional>
#include <string>

#include "native/kernels/gemm/gate.h"
#include "native/test/kernels/gemm_problem.h"

using namespace nd::kernels;
using namespace nd::test;

namespace {

// {batch, height, width} is one row of pixels.
Shape layer(const char* name, int64_t rows, int64_t c, int64_t n) {
    return {name, linear(rows), c, n};
}

const Shape kLayers[] = {
    layer("one row", 1, 320, 2560),        layer("a panel and a half", 13, 64, 96), layer("half a panel", 7, 32, 32),
    layer("several chunks", 1500, 96, 64), layer("several blocks", 61, 5120, 160),  layer("odd channels", 20, 36, 192),
    layer("half a run", 9, 18, 144),       layer("one output", 3, 32, 2),           layer("35 outputs", 8, 30, 70),
};

// A cache line of a map.
struct alignas(64) Line {
    uint16_t values[32];
};

// Runs `body` on each instruction set with each kind of weights that it multiplies.
void for_each_form(const std::function<void(const Form& form, const std::string& name)>& body) {
    for_each_isa([&](const char* isa) {
        for (const Form& form : {Form{GGML_TYPE_F32, Packing::rows, Format::f32, "f32", true},
                                 Form{GGML_TYPE_F16, Packing::rows, Format::f32, "f16", true},
                                 Form{GGML_TYPE_F32, Packing::bf16, Format::f32, "bf16", true},
                                 Form{GGML_TYPE_F32, Packing::bf16, Format::bf16, "bf16 to bf16", true},
                                 Form{GGML_TYPE_F32, Packing::i8, Format::f32, "int8", true},
                                 Form{GGML_TYPE_F32, Packing::i8, Format::bf16, "int8 to bf16", true},
                                 Form{GGML_TYPE_Q4_0, Packing::rows, Format::f32, "q4_0", true},
                                 Form{GGML_TYPE_Q4_0, Packing::blocks, Format::f32, "q4_0 in bf16", true},
                                 Form{GGML_TYPE_Q8_0, Packing::blocks, Format::bf16, "q8_0 to bf16", true}}) {
            if (can_multiply(form.packing)) body(form, std::string(isa) + " " + form.name);
        }
    });
}

}  // namespace

TEST("gated gemm: the places of panels are all rows, values beside their gates") {
    for (const int64_t n : {2, 32, 34, 96, 144, 2560}) {
        std::vector<int> found(static_cast<size_t>(n));
        for (int64_t place = 0; place < places_of(n, true); place += 4) {
            const Run run = run_at(place, 4, n, true);
            for (int64_t i = 0; i < run.count; ++i) {
                CHECK(gated_place(run.row + i, n) == place + i, place + i, " of ", n);
                ++found[static_cast<size_t>(run.row + i)];
            }
        }
        for (int64_t row = 0; row < n; ++row) CHECK(found[static_cast<size_t>(row)] == 1, row, " of ", n);
        for (int64_t row = 0; row < n / 2; ++row)
            CHECK(gated_place(row + n / 2, n) == gated_place(row, n) + kGateRun, row, " of ", n);
    }
}

TEST("gated gemm: agrees with its definition, with a bias and without") {
    for_each_form([](const Form& form, const std::string& name) {
        for (const Shape& shape : kLayers) {
            if (shape.c % ggml_blck_size(form.type) != 0) continue;
            Problem p(shape, form, 11, form.packing == Packing::rows ? 5 : 6);
            const double limit = form.y_format == Format::bf16 ? 2e-4 : 3e-6;
            const double plain = error(p, p.run(), p.reference());
            CHECK(plain < limit, name, " ", shape.name, ": ", plain);
            p.args.bias = nullptr;
            const double bare = error(p, p.run(), p.reference());
            CHECK(bare < limit, name, " ", shape.name, " without bias: ", bare);
        }
    });
}

TEST("gated gemm: the bytes depend neither on the order of tasks, nor on threads, nor on the rows beside") {
    for_each_form([](const Form& form, const std::string& name) {
        for (const Shape& shape : kLayers) {
            if (shape.c % ggml_blck_size(form.type) != 0) continue;
            Problem p(shape, form, 3);
            const std::vector<float> all = p.run();
            CHECK(same_bytes(all.data(), p.run(true).data(), p.y_size), name, " ", shape.name, " backwards");
            Guarded y(p.y_size);
            p.args.y = y.data();
            run_threads(4, gemm_tasks(p.args), gemm_task, p.args);
            CHECK(same_bytes(all.data(), p.read(y.data()).data(), p.y_size), name, " ", shape.name, " threads");
            const int64_t last = shape.geometry.width - 1, size = p.args.y_stride;
            p.args.geometry = linear(1);
            p.args.x = p.x.data() + last * p.row_size;
            p.y_size = size;
            CHECK(same_bytes(all.data() + last * size, p.run().data(), size), name, " ", shape.name, " last row");
        }
    });
}

TEST("gated gemm: a large map written past the caches has the same bytes") {
    if (!can_multiply(Packing::bf16)) return;
    const int64_t rows = 8200;  // 16 MiB of y
    Problem p(layer("", rows, 16, 2048), {GGML_TYPE_F32, Packing::bf16, Format::bf16, "", true}, 3);
    std::vector<Line> y(static_cast<size_t>(p.y_size / 32));
    p.args.y = y.data();
    run_tasks(gemm_tasks(p.args), gemm_task, p.args);
    const std::vector<float> all = p.read(reinterpret_cast<const float*>(y.data()));
    p.args.geometry = linear(1);
    p.y_size = p.args.y_stride;
    for (const int64_t row : {int64_t{0}, int64_t{4097}, rows - 1}) {
        p.args.x = p.x.data() + row * p.row_size;
        CHECK(same_bytes(all.data() + row * p.y_size, p.run().data(), p.y_size), row);
    }
}

TEST("gated gemm: odd outputs, residuals, and weights packed otherwise are refused") {
    const auto refused = [](const Problem& p) { return error_code([&] { gemm_tasks(p.args); }) == "INVALID_ARGUMENT"; };
    Problem p(layer("", 2, 32, 64), {GGML_TYPE_F32, Packing::rows, Format::f32, "", true}, 5);
    CHECK(!refused(p));
    p.args.residual = p.residual.data();
    CHECK(refused(p));
    p.args.residual = nullptr, p.args.weights.n = 63;
    CHECK(refused(p));
    if (!can_multiply(Packing::i8)) return;
    for (const bool gated : {false, true}) {
        Problem packed(layer("", 2, 32, 64), {GGML_TYPE_F32, Packing::i8, Format::f32, "", gated}, 5);
        CHECK(!refused(packed));
        packed.args.gated = !gated;
        CHECK(refused(packed));
    }
}
