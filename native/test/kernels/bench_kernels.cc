// Measures this machine's f32 FMA rate, then our kernels on the shapes of Stable Diffusion 1.5 at 512 x 512 against it.
//
//   nd_bench_kernels [threads] [part of a shape's name]
//
// GFLOP/s count two operations a multiply-add. Each figure is the best of the runs that fit into about half a second.
#include <ggml.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "native/kernels/attention/attention.h"
#include "native/kernels/cpu.h"
#include "native/kernels/gemm/gemm.h"
#include "native/kernels/norm/norm.h"
#include "native/kernels/peak/peak.h"
#include "native/kernels/pointwise/pointwise.h"

using namespace nd::kernels;

namespace {

double seconds() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Runs body(task) for all tasks on `threads` threads, handed out one by one.
void parallel(int threads, int64_t tasks, const std::function<void(int64_t)>& body) {
    std::atomic<int64_t> next{0};
    const auto work = [&] {
        for (int64_t task; (task = next.fetch_add(1)) < tasks;) body(task);
    };
    std::vector<std::thread> others;
    for (int i = 1; i < threads; ++i) others.emplace_back(work);
    work();
    for (std::thread& other : others) other.join();
}

double best_time(const std::function<void()>& body) {
    body();
    double best = 1e30;
    const double start = seconds();
    for (int runs = 0; runs < 3 || seconds() - start < 0.5; ++runs) {
        const double before = seconds();
        body();
        best = std::min(best, seconds() - before);
    }
    return best;
}

std::vector<float> uniform(int64_t n) {
    std::vector<float> values(static_cast<size_t>(n));
    uint32_t state = 1;
    for (float& value : values) {
        state = state * 1664525u + 1013904223u;
        value = static_cast<float>(state >> 8) / (1 << 23) - 1.0f;
    }
    return values;
}

struct Bench {
    int threads = 1;
    const char* filter = "";
    double peak = 0;

    bool wanted(const std::string& name) const { return name.find(filter) != std::string::npos; }

    void report(const std::string& name, double flops, double time) const {
        const double rate = flops / time / 1e9;
        std::printf("%-44s %9.2f ms %8.1f GFLOP/s %5.1f %%\n", name.c_str(), time * 1e3, rate, 100 * rate / peak);
        std::fflush(stdout);
    }

    void gemm(const std::string& name, int64_t height, int64_t width, int64_t c, int64_t n, int kernel, int stride = 1,
              int upsample = 1, ggml_type type = GGML_TYPE_F16, int64_t batch = 2) const {
        if (!wanted(name)) return;
        GemmArgs args;
        GemmGeometry& g = args.geometry;
        g.batch = batch, g.height = height, g.width = width, g.kernel = kernel, g.stride = stride,
        g.upsample = upsample;
        g.out_height = height * upsample / stride, g.out_width = width * upsample / stride;
        g.pad_top = g.pad_left = kernel / 2;
        const int64_t taps = kernel * kernel, k = taps * c, pixels = batch * g.out_height * g.out_width;
        const std::vector<float> x = uniform(batch * height * width * c), values = uniform(n * k), bias = uniform(n);
        std::vector<float> y(static_cast<size_t>(pixels * n));
        std::vector<char> bytes(ggml_row_size(type, k) * n);
        ggml_quantize_chunk(type, values.data(), bytes.data(), 0, n, k, nullptr);
        args.weights = {type, bytes.data(), ggml_row_size(type, k), n, taps, c};
        args.x = x.data(), args.x_stride = c, args.bias = bias.data(), args.y = y.data(), args.y_stride = n;
        report(name, 2.0 * double(pixels) * double(n) * double(k),
               best_time([&] { parallel(threads, gemm_tasks(args), [&](int64_t task) { gemm_task(args, task); }); }));
    }

    void linear(const std::string& name, int64_t rows, int64_t c, int64_t n, ggml_type type = GGML_TYPE_F16) const {
        gemm(name, 1, rows, c, n, 1, 1, 1, type, 1);
    }

    void attention(const std::string& name, int64_t batch, int64_t q, int64_t k, int64_t heads, int64_t d) const {
        if (!wanted(name)) return;
        const int64_t width = heads * d;
        const std::vector<float> queries = uniform(batch * q * width), keys = uniform(batch * k * width),
                                 values = uniform(batch * k * width);
        std::vector<float> out(queries.size());
        AttentionArgs args;
        args.q = queries.data(), args.k = keys.data(), args.v = values.data(), args.out = out.data();
        args.q_stride = args.k_stride = args.v_stride = args.out_stride = width;
        args.batch = batch, args.q_tokens = q, args.k_tokens = k, args.heads = heads, args.head_dim = d,
        args.scale = 0.1f;
        report(name, 4.0 * double(batch * q * k * width), best_time([&] {
                   parallel(threads, attention_tasks(args), [&](int64_t task) { attention_task(args, task); });
               }));
    }

    // Prints GB/s: `floats` counts what is read and written.
    void memory(const std::string& name, int64_t floats, const std::function<void()>& body) const {
        const double time = best_time(body);
        std::printf("%-44s %9.2f ms %8.1f GB/s\n", name.c_str(), time * 1e3, double(floats) * 4 / time / 1e9);
        std::fflush(stdout);
    }

    void others() const {
        const int64_t pixels = 4096, c = 320, batch = 2;
        const std::vector<float> x = uniform(batch * pixels * c * 8);
        std::vector<float> y(x.size()), sums(group_norm_sums_size(batch, pixels, c, 32));
        const std::vector<float> gamma = uniform(c * 8);
        GroupNormArgs group{x.data(),     batch,        pixels, c,           32,      1e-5f,
                            gamma.data(), gamma.data(), true,   sums.data(), y.data()};
        if (wanted("group norm + silu")) {
            memory("group norm + silu, 2 x 64 x 64 x 320", 3 * batch * pixels * c, [&] {
                parallel(threads, group_norm_sums_tasks(group),
                         [&](int64_t task) { group_norm_sums_task(group, task); });
                parallel(threads, group_norm_apply_tasks(group),
                         [&](int64_t task) { group_norm_apply_task(group, task); });
            });
        }
        LayerNormArgs layer{x.data(), batch * pixels, c, 1e-5f, gamma.data(), gamma.data(), y.data()};
        if (wanted("layer norm")) {
            memory("layer norm, 2 x 4096 x 320", 2 * batch * pixels * c, [&] {
                parallel(threads, layer_norm_tasks(layer), [&](int64_t task) { layer_norm_task(layer, task); });
            });
        }
        GegluArgs geglu{x.data(), y.data(), batch * pixels, c * 4};
        if (wanted("geglu")) {
            memory("geglu, 2 x 4096 x 2560", 3 * batch * pixels * c * 4,
                   [&] { parallel(threads, geglu_tasks(geglu), [&](int64_t task) { geglu_task(geglu, task); }); });
        }
    }
};

void run(const Bench& b) {
    b.gemm("conv 3x3, 2 x 64 x 64, 320 to 320", 64, 64, 320, 320, 3);
    b.gemm("conv 3x3, 2 x 64 x 64, 960 to 320", 64, 64, 960, 320, 3);
    b.gemm("conv 3x3, 2 x 32 x 32, 640 to 640", 32, 32, 640, 640, 3);
    b.gemm("conv 3x3, 2 x 32 x 32, 1920 to 640", 32, 32, 1920, 640, 3);
    b.gemm("conv 3x3, 2 x 16 x 16, 1280 to 1280", 16, 16, 1280, 1280, 3);
    b.gemm("conv 3x3, 2 x 8 x 8, 1280 to 1280", 8, 8, 1280, 1280, 3);
    b.gemm("conv 3x3 stride 2, 2 x 64 x 64, 320 to 320", 64, 64, 320, 320, 3, 2);
    b.gemm("conv 3x3 upsampling, 2 x 32 x 32, 640 to 640", 32, 32, 640, 640, 3, 1, 2);
    b.gemm("conv 3x3, 2 x 64 x 64, 4 to 320", 64, 64, 4, 320, 3);
    b.gemm("conv 3x3, 2 x 64 x 64, 320 to 4", 64, 64, 320, 4, 3);
    b.gemm("conv 3x3, 256 x 256, 256 to 256 (decoder)", 256, 256, 256, 256, 3, 1, 1, GGML_TYPE_F16, 1);
    b.linear("linear, 8192 rows, 320 to 320", 8192, 320, 320);
    b.linear("linear, 8192 rows, 320 to 2560", 8192, 320, 2560);
    b.linear("linear, 8192 rows, 1280 to 320", 8192, 1280, 320);
    b.linear("linear, 2048 rows, 640 to 640", 2048, 640, 640);
    b.linear("linear, 2048 rows, 640 to 5120", 2048, 640, 5120);
    b.linear("linear, 512 rows, 1280 to 1280", 512, 1280, 1280);
    b.linear("linear, 512 rows, 1280 to 10240", 512, 1280, 10240);
    b.linear("linear, 512 rows, 5120 to 1280", 512, 5120, 1280);
    b.linear("linear q8_0, 512 rows, 1280 to 1280", 512, 1280, 1280, GGML_TYPE_Q8_0);
    b.linear("linear q4_0, 512 rows, 1280 to 1280", 512, 1280, 1280, GGML_TYPE_Q4_0);
    b.linear("linear q4_K, 512 rows, 1280 to 1280", 512, 1280, 1280, GGML_TYPE_Q4_K);
    b.linear("linear, 77 rows, 768 to 3072", 77, 768, 3072);
    b.linear("linear, 2 rows, 1280 to 1280", 2, 1280, 1280);
    b.attention("attention, 2 x 4096 x 4096, 8 x 40", 2, 4096, 4096, 8, 40);
    b.attention("attention, 2 x 1024 x 1024, 8 x 80", 2, 1024, 1024, 8, 80);
    b.attention("attention, 2 x 256 x 256, 8 x 160", 2, 256, 256, 8, 160);
    b.attention("attention, 2 x 4096 x 77, 8 x 40", 2, 4096, 77, 8, 40);
    b.attention("attention, 4096 x 4096, 1 x 512 (decoder)", 1, 4096, 4096, 1, 512);
    b.others();
}

}  // namespace

int main(int argc, char** argv) {
    const int hardware = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
    Bench bench;
    bench.threads = argc > 1 ? std::max(1, std::atoi(argv[1])) : hardware;
    if (argc > 2) bench.filter = argv[2];
    std::printf("instruction set: %s, threads: %d\n", isa_name(isa()), bench.threads);
    for (int t = 1; t <= bench.threads; ++t) {
        const double time = best_time([&] { parallel(t, t, [](int64_t) { peak_run(10000000); }); });
        bench.peak = t * peak_flops(10000000) / time / 1e9;
        std::printf("f32 FMA in registers, %d thread%s: %.1f GFLOP/s\n", t, t == 1 ? "" : "s", bench.peak);
    }
    run(bench);
    return 0;
}
