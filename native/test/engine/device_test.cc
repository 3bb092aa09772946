// The words in ggml's operations, on ggml's own CPU backend, against the same models on our kernels. What they compute
// is checked against diffusers by way of those, in test/model/networks.test.ts, and on a GPU by scripts/check-device.cjs.
#include "native/backend/device.h"

#include <ggml-cpu.h>

#include <cmath>
#include <functional>
#include <string>

#include "native/engine/engine.h"
#include "native/test/kernels/support.h"
#include "native/test/weights/model_files.h"

using namespace nd::engine;
using namespace nd::test;

namespace {

const CancelToken kGo;
const std::string kNetworks = ND_FIXTURES;

std::shared_ptr<nd::backend::Device> ggml_cpu() {
    return nd::backend::Device::open("ggml", ggml_backend_reg_dev_get(ggml_backend_cpu_reg(), 0));
}

std::unique_ptr<Engine> load(const std::string& path, const std::string& precision, bool on_device) {
    LoadOptions options;
    options.precision = precision, options.threads = 2;
    if (on_device) options.device = ggml_cpu();
    return std::make_unique<Engine>(path, options, kGo, nullptr);
}

std::vector<float> wave(int64_t size) {
    std::vector<float> values;
    for (int64_t i = 0; i < size; i++) values.push_back(std::sin(0.7f * static_cast<float>(i)));
    return values;
}

using Run = std::function<std::vector<float>(Engine&)>;

// The relative L2 difference of what an engine on the device and one on our kernels compute.
double difference(const std::string& path, const std::string& precision, const Run& run) {
    const auto got = run(*load(path, precision, true)), wanted = run(*load(path, "f32", false));
    if (got.size() != wanted.size() || wanted.empty()) return INFINITY;
    return relative_error(got.data(), wanted.data(), static_cast<int64_t>(wanted.size()));
}

void append(std::vector<float>& to, const std::vector<float>& values) {
    to.insert(to.end(), values.begin(), values.end());
}

// All networks of a model, of which only those that take text have an addition.
std::vector<float> run_all(Engine& engine) {
    const auto& info = engine.info();
    std::vector<float> all;
    std::optional<Addition> addition;
    if (info.text) append(all, engine.encode_text(std::vector<int32_t>(2 * 77, 1), 2, 0, 1, kGo).embeddings);
    if (info.text2) {
        const auto encoded = engine.encode_text(std::vector<int32_t>(2 * 77, 1), 2, 0, 2, kGo);
        append(all, encoded.embeddings);
        append(all, encoded.pooled);
    }
    const auto& config = *info.unet;
    if (config.has_addition()) {
        addition = Addition{wave(2 * config.addition.pooled_width),
                            std::vector<float>(static_cast<size_t>(2 * config.addition.size_numbers), 64.0f)};
    }
    const auto context =
        engine.create_context(wave(2 * 77 * config.context_width), 2, addition ? &*addition : nullptr, kGo);
    for (const Shape shape : {Shape{1, config.in_channels, 8, 8}, Shape{3, config.in_channels, 9, 13},
                              Shape{1, config.in_channels, 8, 8}}) {
        append(all, engine.predict_noise(wave(shape.size()), shape, 500, *context, {}, kGo));
    }
    const int64_t c = info.vae->latent_channels, f = info.vae->downscale();
    append(all, engine.decode(wave(c * 15), {1, c, 3, 5}, kGo).values);
    append(all, engine.encode(wave(3 * 16 * f * f), {1, 3, 4 * f, 4 * f}, kGo).values);
    return all;
}

}  // namespace

TEST("device: every network in f32 computes what our kernels do") {
    for (const char* name : {"sd1.safetensors", "sd2.safetensors", "wide", "deep.safetensors", "linear",
                             "quant.gguf", "sdxl.safetensors"}) {
        const double error = difference(kNetworks + "/" + name, "f32", run_all);
        CHECK(error < 1e-5, name, ": ", error);
    }
}

TEST("device: and close to it in other precisions") {
    for (const auto& [precision, most] : {std::pair{"f16", 5e-3}, std::pair{"bf16", 3e-2}, std::pair{"q8_0", 3e-2}}) {
        for (const char* name : {"sd1.safetensors", "wide"}) {
            const double error = difference(kNetworks + "/" + name, precision, run_all);
            CHECK(error > 0 && error < most, name, " ", precision, ": ", error);
        }
    }
}

TEST("device: an unconditional UNet") {
    const double error = difference(kNetworks + "/ddpm.safetensors", "f32", [](Engine& engine) {
        const Shape pixels{2, 3, 16, 8};
        return engine.predict_noise(wave(pixels.size()), pixels, 5, kNoContext, {}, kGo);
    });
    CHECK(error < 1e-5, error);
}
