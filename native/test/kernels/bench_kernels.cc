// Measures this machine's multiply-add rates, then our kernels on the shapes of Stable Diffusion 1.5 at 512 x 512
// against them.
//
//   nd_bench_kernels [threads] [part of a shape's name]
//
// GOP/s count two operations a multiply-add. Each figure is the best of the runs that fit into about half a second.
#include <ggml.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "native/backend/thread_pool.h"
#include "native/huge_pages.h"
#include "native/kernels/attention/attention.h"
#include "native/kernels/cpu.h"
#include "native/kernels/gemm/gemm.h"
#include "native/kernels/gemm/packing.h"
#include "native/kernels/norm/norm.h"
#include "native/kernels/peak/peak.h"
#include "native/kernels/pointwise/pointwise.h"
#include "native/kernels/rows/convert.h"

using namespace nd;
using namespace nd::kernels;

namespace {

double seconds() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Runs body(task) for all tasks on the engine's threads, handed out one by one.
void parallel(nd::backend::ThreadPool& threads, int64_t tasks, const std::function<void(int64_t)>& body) {
    std::atomic<int64_t> next{0};
    threads.run([&] {
        for (int64_t task; (task = next.fetch_add(1)) < tasks;) body(task);
    });
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

// Memory on huge pages, as the engine asks for it.
class Memory {
  public:
    explicit Memory(size_t size)
        : data_(static_cast<char*>(::operator new(size, std::align_val_t{kHugePage}))), size_(size) {
        prefer_huge_pages(data_.get(), size);
        std::memset(data_.get(), 0, size);
    }
    char* data() const { return data_.get(); }
    size_t size() const { return size_; }

  private:
    struct Free {
        void operator()(char* data) const { ::operator delete(data, std::align_val_t{kHugePage}); }
    };
    std::unique_ptr<char, Free> data_;
    size_t size_;
};

Memory rows(Format format, int64_t count, int64_t channels) {
    const std::vector<float> values = uniform(count * channels);
    Memory out(static_cast<size_t>(count) * row_bytes(format, channels));
    const ConvertArgs args{values.data(), out.data(), count, channels, Format::f32, format};
    for (int64_t task = 0; task < convert_tasks(args); ++task) convert_task(args, task);
    return out;
}

const char* name_of(Packing packing) {
    constexpr const char* kNames[] = {"f32", "bf16", "int8", "wino", "q4_0"};
    return kNames[int(packing)];
}

constexpr Packing kPackings[] = {Packing::rows, Packing::bf16, Packing::winograd, Packing::i8, Packing::blocks};

enum class Kind { convolution, linear, other };

struct Bench {
    nd::backend::ThreadPool& threads;
    const char* filter = "";
    double peak[5] = {};               // of each packing, GOP/s
    std::vector<double> shares[5][2];  // of the peak, of each packing's convolutions and linear layers

    bool wanted(const std::string& name) const { return name.find(filter) != std::string::npos; }

    double report(const std::string& name, Packing packing, double ops, double time) const {
        const double rate = ops / time / 1e9, share = 100 * rate / peak[int(packing)];
        std::printf("%-44s %-5s %9.2f ms %8.1f GOP/s %5.1f %%\n", name.c_str(), name_of(packing), time * 1e3, rate,
                    share);
        std::fflush(stdout);
        return share;
    }

    // In each kind of product that this CPU has; f32 with weights of f16.
    void gemm(Kind kind, const std::string& name, int64_t height, int64_t width, int64_t c, int64_t n, int kernel,
              int stride = 1, int upsample = 1, int64_t batch = 2, bool gated = false) {
        if (!wanted(name)) return;
        GemmArgs args;
        GemmGeometry& g = args.geometry;
        g.batch = batch, g.height = height, g.width = width, g.kernel = kernel, g.stride = stride,
        g.upsample = upsample;
        g.out_height = height * upsample / stride, g.out_width = width * upsample / stride;
        g.pad_top = g.pad_left = kernel / 2;
        const int64_t taps = int64_t(kernel) * kernel, k = taps * c, pixels = batch * g.out_height * g.out_width;
        const std::vector<float> values = uniform(n * k), bias = uniform(n);
        const Memory y(static_cast<size_t>(pixels * n) * sizeof(float));
        args.bias = bias.data(), args.y = y.data(), args.y_stride = gated ? n / 2 : n, args.gated = gated;
        for (const Packing packing : kPackings) {
            if (packing == Packing::winograd && stride != 1) continue;
            if (packing == Packing::blocks && c % ggml_blck_size(GGML_TYPE_Q4_0) != 0) continue;
            if (!can_multiply(packing) || !can_pack(packing, taps, c)) continue;
            const Format format = format_of(packing);
            const Memory x = rows(format, batch * height * width, c), w = pack(packing, values, n, taps, c);
            const ggml_type type = packing == Packing::blocks ? GGML_TYPE_Q4_0 : GGML_TYPE_F16;
            args.weights = {type, w.data(), ggml_row_size(type, k), n, taps, c, packing, gated && in_panels(packing)};
            args.x = x.data(), args.x_stride = format == Format::i8 ? int64_t(row_bytes(format, c)) : c;
            // As the networks have it: convolutions write the f32 stream of residuals, wide linear layers bf16.
            args.y_format = packing != Packing::rows && kind == Kind::linear ? Format::bf16 : Format::f32;
            const double time =
                best_time([&] { parallel(threads, gemm_tasks(args), [&](int64_t task) { gemm_task(args, task); }); });
            const double share = report(name, packing, 2.0 * double(pixels) * double(n) * double(k), time);
            if (kind != Kind::other) shares[int(packing)][int(kind)].push_back(share);
        }
    }

    static Memory pack(Packing packing, const std::vector<float>& values, int64_t n, int64_t taps, int64_t c) {
        const int64_t k = taps * c;
        if (packing == Packing::rows) {
            Memory halves(values.size() * 2);
            ggml_fp32_to_fp16_row(values.data(), reinterpret_cast<ggml_fp16_t*>(halves.data()), n * k);
            return halves;
        }
        if (packing == Packing::blocks) {
            Memory blocks(ggml_row_size(GGML_TYPE_Q4_0, n * k));
            ggml_quantize_chunk(GGML_TYPE_Q4_0, values.data(), blocks.data(), 0, n, k, nullptr);
            return blocks;
        }
        Memory panels(PackedLayout(packing, n, taps, c).size);
        for (int64_t row = 0; row < n; row += kPanel)
            pack_rows(packing, values.data() + row * k, n, taps, c, row, std::min(kPanel, n - row), panels.data());
        return panels;
    }

    void conv(const std::string& name, int64_t size, int64_t c, int64_t n, int stride = 1, int upsample = 1) {
        gemm(Kind::convolution, name, size, size, c, n, 3, stride, upsample);
    }

    void linear(const std::string& name, int64_t count, int64_t c, int64_t n, Kind kind = Kind::linear,
                bool gated = false) {
        gemm(kind, name, 1, count, c, n, 1, 1, 1, 1, gated);
    }

    void attention(const std::string& name, int64_t batch, int64_t q, int64_t k, int64_t heads, int64_t d) {
        if (!wanted(name)) return;
        const int64_t width = heads * d;
        for (const Packing packing : {Packing::rows, Packing::bf16}) {
            if (!can_multiply(packing)) continue;
            const Format format = format_of(packing);
            const Memory queries = rows(format, batch * q, width), keys = rows(format, batch * k, width),
                         values = rows(format, batch * k, width);
            const Memory out(queries.size());
            AttentionArgs args;
            args.q = queries.data(), args.k = keys.data(), args.v = values.data(), args.out = out.data();
            args.q_stride = args.k_stride = args.v_stride = args.out_stride = width;
            args.batch = batch, args.q_tokens = q, args.k_tokens = k, args.heads = heads, args.head_dim = d,
            args.scale = 1.0f / std::sqrt(float(d)), args.format = format;
            report(name, packing, 4.0 * double(batch * q * k * width), best_time([&] {
                       parallel(threads, attention_tasks(args), [&](int64_t task) { attention_task(args, task); });
                   }));
        }
    }

    // Prints GB/s of what is read and written.
    void memory(const std::string& name, double bytes, const std::function<void()>& body) const {
        const double time = best_time(body);
        std::printf("%-44s       %9.2f ms %8.1f GB/s\n", name.c_str(), time * 1e3, bytes / time / 1e9);
        std::fflush(stdout);
    }

    void others() {
        const int64_t pixels = 4096, c = 320, batch = 2, count = batch * pixels;
        const Memory x = rows(Format::f32, count, c), y(x.size());
        std::vector<float> sums(group_norm_sums_size(batch, pixels, c, 32));
        const std::vector<float> gamma = uniform(c);
        for (const Format format : {Format::f32, Format::bf16, Format::i8}) {
            const char* to = format == Format::f32 ? " to f32" : format == Format::bf16 ? " to bf16" : " to int8";
            const double written = double(count) * double(row_bytes(format, c)), read = double(x.size());
            GroupNormArgs group{x.data(),     batch,        pixels, c,           32,      1e-5f,
                                gamma.data(), gamma.data(), true,   sums.data(), y.data()};
            group.y_format = format;
            if (wanted("group norm + silu")) {
                memory(std::string("group norm + silu, 2 x 64 x 64 x 320") + to, 2 * read + written, [&] {
                    parallel(threads, group_norm_sums_tasks(group),
                             [&](int64_t task) { group_norm_sums_task(group, task); });
                    parallel(threads, group_norm_apply_tasks(group),
                             [&](int64_t task) { group_norm_apply_task(group, task); });
                });
            }
            LayerNormArgs layer{x.data(), count, c, 1e-5f, gamma.data(), gamma.data(), y.data()};
            layer.y_format = format;
            if (wanted("layer norm")) {
                memory(std::string("layer norm, 2 x 4096 x 320") + to, read + written, [&] {
                    parallel(threads, layer_norm_tasks(layer), [&](int64_t task) { layer_norm_task(layer, task); });
                });
            }
        }
    }

    void summary() {
        const char* kinds[] = {"3x3 convolutions", "linear layers"};
        for (const Packing packing : kPackings) {
            for (int kind = 0; kind < 2; ++kind) {
                auto& all = shares[int(packing)][kind];
                if (all.empty()) continue;
                std::sort(all.begin(), all.end());
                std::printf("%s, %s: %.1f %% of the peak at least, %.1f %% in the median of %zu shapes\n", kinds[kind],
                            name_of(packing), all.front(), all[all.size() / 2], all.size());
            }
        }
    }
};

// Every shape of convolution and linear layer of the UNet but the outermost convolutions, then some others.
void run(Bench& b) {
    const struct {
        int64_t size, channels[6];  // of the map, and into its convolutions
        int64_t out;
    } levels[] = {{64, {320, 640, 960}, 320},
                  {32, {320, 640, 960, 1280, 1920}, 640},
                  {16, {640, 1280, 1920, 2560}, 1280},
                  {8, {1280, 2560}, 1280}};
    const auto text = [](int64_t value) { return std::to_string(value); };
    for (const auto& level : levels) {
        const std::string map = "2 x " + text(level.size) + " x " + text(level.size) + ", ";
        for (const int64_t c : level.channels) {
            if (c > 0) b.conv("conv 3x3, " + map + text(c) + " to " + text(level.out), level.size, c, level.out);
        }
        if (level.size > 8) {
            b.conv("conv 3x3 stride 2, " + map + text(level.out) + " to " + text(level.out), level.size, level.out,
                   level.out, 2);
        }
        if (level.size < 64) {
            const int64_t c = level.size == 32 ? 640 : 1280;
            b.conv("conv 3x3 upsampling, " + map + text(c) + " to " + text(c), level.size, c, c, 1, 2);
        }
    }
    for (const auto& level : levels) {
        const int64_t count = 2 * level.size * level.size, c = level.out;
        const std::string name = "linear, " + text(count) + " rows, ";
        if (level.size > 8) {
            for (const auto& [in, out] : {std::pair{c, c}, {4 * c, c}, {c, 8 * c}})
                b.linear(name + text(in) + " to " + text(out), count, in, out);
            // The same product with GEGLU behind it, whose time counts and whose operations do not.
            b.linear(name + text(c) + " to " + text(4 * c) + ", gated", count, c, 8 * c, Kind::other, true);
        }
        for (const int64_t in : level.channels) {
            if (in > 0 && in != c) b.linear(name + text(in) + " to " + text(c) + " (shortcut)", count, in, c);
        }
    }
    b.gemm(Kind::other, "conv 3x3, 2 x 64 x 64, 4 to 320", 64, 64, 4, 320, 3);
    b.gemm(Kind::other, "conv 3x3, 2 x 64 x 64, 320 to 4", 64, 64, 320, 4, 3);
    b.gemm(Kind::other, "conv 3x3, 64 x 64, 512 to 512 (decoder)", 64, 64, 512, 512, 3, 1, 1, 1);
    b.gemm(Kind::other, "conv 3x3, 256 x 256, 256 to 256 (decoder)", 256, 256, 256, 256, 3, 1, 1, 1);
    b.gemm(Kind::other, "conv 3x3, 512 x 512, 128 to 128 (decoder)", 512, 512, 128, 128, 3, 1, 1, 1);
    b.linear("linear, 77 rows, 768 to 3072", 77, 768, 3072, Kind::other);
    b.linear("linear, 2 rows, 1280 to 1280", 2, 1280, 1280, Kind::other);
    b.attention("attention, 2 x 4096 x 4096, 8 x 40", 2, 4096, 4096, 8, 40);
    b.attention("attention, 2 x 1024 x 1024, 8 x 80", 2, 1024, 1024, 8, 80);
    b.attention("attention, 2 x 256 x 256, 8 x 160", 2, 256, 256, 8, 160);
    b.attention("attention, 2 x 4096 x 77, 8 x 40", 2, 4096, 77, 8, 40);
    b.attention("attention, 4096 x 4096, 1 x 512 (decoder)", 1, 4096, 4096, 1, 512);
    b.others();
    b.summary();
}

}  // namespace

int main(int argc, char** argv) {
    const int hardware = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
    const int threads = argc > 1 ? std::max(1, std::atoi(argv[1])) : hardware;
    nd::backend::ThreadPool pool(threads);
    Bench bench{pool};
    if (argc > 2) bench.filter = argv[2];
    std::printf("instruction set: %s, threads: %d\n", isa_name(isa()), threads);
    for (const Packing packing : {Packing::rows, Packing::bf16, Packing::i8}) {
        if (!can_multiply(packing)) continue;
        bench.peak[int(packing)] = peak_rate(packing, threads, 0.5, [&](const auto& job) { pool.run(job); }) / 1e9;
        std::printf("peak %s: %.1f GOP/s\n", name_of(packing), bench.peak[int(packing)]);
    }
    bench.peak[int(Packing::winograd)] = bench.peak[int(Packing::blocks)] =
        bench.peak[int(Packing::bf16)];  // of direct convolutions
    run(bench);
    return 0;
}
