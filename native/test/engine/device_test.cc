// The words in ggml's operations against the same models on our kernels. What they compute is checked against diffusers
// by way of those.
#include "native/backend/device.h"

#include <cmath>
#include <cstdio>
#include <functional>
#include <string>
#include <utility>

#include "native/test/engine/device_engines.h"
#include "native/test/engine/support.h"
#include "native/test/kernels/support.h"
#include "native/test/weights/model_files.h"

using namespace nd::engine;
using namespace nd::test;

namespace {

struct Output {
    std::string network;
    std::vector<float> values;
};
using Outputs = std::vector<Output>;
using Run = std::function<Outputs(Engine&)>;

// Holds what an engine on the device computes to what one on our kernels does, in f32, by the relative L2 difference.
void compare(const std::string& path, const std::string& precision, double most, const Run& run) {
    const Outputs got = run(*load(path, precision, true)), wanted = run(*load(path, "f32", false));
    CHECK(got.size() == wanted.size() && !got.empty(), path);
    for (size_t i = 0; i < got.size() && i < wanted.size(); i++) {
        const auto& [network, values] = wanted[i];
        const bool fits = got[i].values.size() == values.size() && !values.empty();
        const double error =
            fits ? relative_error(got[i].values.data(), values.data(), static_cast<int64_t>(values.size())) : INFINITY;
        CHECK(error < most, path, ", ", precision, ", ", network, ": ", error);
        if (kNamed)
            std::printf("# %s, %s, %s: %.1e\n", path.substr(kNetworks.size() + 1).c_str(), precision.c_str(),
                        network.c_str(), error);
    }
}

std::shared_ptr<Context> context_of(Engine& engine, int64_t rows) {
    const auto& config = *engine.info().unet;
    std::optional<Addition> addition;
    if (config.has_addition()) {
        const auto numbers = static_cast<size_t>(rows * config.addition.size_numbers);
        addition = Addition{wave(rows * config.addition.pooled_width), std::vector<float>(numbers, 64.0f)};
    }
    return engine.create_context(wave(rows * 77 * config.context_width), rows, addition ? &*addition : nullptr, kGo);
}

Outputs run_vae(Engine& engine) {
    const LatentSpace space = *engine.info().latent_space();
    const int64_t c = space.latent_channels, f = space.downscale;
    return {{"decoder", engine.decode(wave(c * 15), {1, c, 3, 5}, kGo).values},
            {"encoder", engine.encode(wave(3 * 16 * f * f), {1, 3, 4 * f, 4 * f}, kGo).values}};
}

// All networks of a model, of which the shapes of the UNet's calls change and come back.
Outputs run_all(Engine& engine) {
    const auto& info = engine.info();
    Outputs all;
    if (info.text) all.push_back({"text", engine.encode_text(std::vector<int32_t>(154, 1), 2, 0, 1, kGo).embeddings});
    if (info.text2) {
        const auto encoded = engine.encode_text(std::vector<int32_t>(154, 1), 2, 0, 2, kGo);
        all.push_back({"second text", encoded.embeddings});
        all.push_back({"pooled", encoded.pooled});
    }
    const auto context = context_of(engine, 2);
    const int64_t channels = info.unet->in_channels;
    for (const Shape shape : {Shape{1, channels, 8, 8}, Shape{3, channels, 9, 13}, Shape{1, channels, 8, 8}})
        all.push_back({"unet", engine.predict_noise(wave(shape.size()), shape, 500, *context, {}, kGo)});
    for (auto& output : run_vae(engine)) all.push_back(std::move(output));
    return all;
}

}  // namespace

TEST("device: every network in f32 computes what our kernels do") {
    for (const char* name : {"sd1.safetensors", "sd2.safetensors", "wide", "deep.safetensors", "linear", "quant.gguf",
                             "sdxl.safetensors"}) {
        compare(kNetworks + "/" + name, "f32", kMostInF32, run_all);
    }
}

TEST("device: and close to it in other precisions") {
    for (const auto& [precision, most] : {std::pair{"f16", 1e-2}, std::pair{"bf16", 3e-2}, std::pair{"q8_0", 3e-2}}) {
        for (const char* name : {"sd1.safetensors", "wide"}) compare(kNetworks + "/" + name, precision, most, run_all);
    }
}

TEST("device: an unconditional UNet, distilled ones") {
    compare(kNetworks + "/ddpm.safetensors", "f32", kMostInF32, [](Engine& engine) -> Outputs {
        const Shape pixels{2, 3, 16, 8};
        return {{"unet", engine.predict_noise(wave(pixels.size()), pixels, 5, kNoContext, {}, kGo)}};
    });
    for (const auto& [name, guidance] :
         {std::pair{"bk", std::optional<double>()}, std::pair{"lcm", std::optional(7.5)}}) {
        compare(kNetworks + "/" + name + ".safetensors", "f32", kMostInF32, [&](Engine& engine) -> Outputs {
            const Shape shape{1, engine.info().unet->in_channels, 8, 8};
            PredictOptions options;
            options.guidance = guidance;
            return {
                {"unet", engine.predict_noise(wave(shape.size()), shape, 500, *context_of(engine, 2), options, kGo)}};
        });
    }
}

TEST("device: a ControlNet's residuals, and a UNet that takes them") {
    const auto residuals_of = [](Engine& engine) {
        const int64_t channels = engine.info().unet->in_channels;
        const int64_t side = 8 * engine.info().control->downscale();
        const auto context = context_of(engine, 2);
        const auto hint = engine.embed_hint(wave(3 * side * side), {1, 3, side, side}, kGo);
        const std::vector<float> strengths(2 * engine.info().control->map_channels.size(), 0.5f);
        return engine.control_residuals(wave(channels * 64), {1, channels, 8, 8}, 500, *context, *hint, strengths, kGo);
    };
    compare(kFixtures + "/control/edges.safetensors", "f32", kMostInF32, [&](Engine& engine) {
        Outputs maps;
        const auto residuals = residuals_of(engine);
        for (const auto& [map, values] : residuals->maps) maps.push_back({"map", values});
        return maps;
    });
    const auto residuals = residuals_of(*load(kFixtures + "/control/edges.safetensors", "f32", false));
    compare(kNetworks + "/avatar.safetensors", "f32", kMostInF32, [&](Engine& engine) -> Outputs {
        PredictOptions options;
        options.residuals = {residuals};
        return {{"unet", engine.predict_noise(wave(4 * 64), {1, 4, 8, 8}, 500, *context_of(engine, 2), options, kGo)}};
    });
}

TEST("device: a tiny VAE, upscalers") {
    compare(kFixtures + "/taesd/taesd.safetensors", "f32", kMostInF32, run_vae);
    for (const char* name : {"x2", "x4"}) {
        compare(kFixtures + "/upscalers/" + name + ".safetensors", "f32", kMostInF32, [](Engine& engine) -> Outputs {
            return {{"upscaler", engine.upscale(wave(3 * 12 * 10), {1, 3, 12, 10}, kGo, nullptr)}};
        });
    }
}

TEST("device: networks that it cannot hold stay on the CPU, and the model says so") {
    if (kNamed) return;
    const std::string path = kNetworks + "/sd1.safetensors";
    LoadOptions options;
    options.precision = "f32";
    options.threads = 2;
    const auto on = [&](size_t most) {
        options.device = device(most);
        return open_engine(path, options, kGo, nullptr);
    };
    const auto whole = on(SIZE_MAX);
    CHECK(whole->info().device == "ggml" && whole->info().device_reason.empty(), whole->info().device_reason);
    const size_t all = whole->info().weight_bytes;

    const auto none = on(1000);
    CHECK(none->info().device == "cpu", none->info().device);
    const std::string reason = none->info().device_reason;
    CHECK(reason.starts_with("the device ggml has 1000 bytes free, too few for all weights (UNet "), reason);

    double reported = 0;
    options.device = device(all * 9 / 10);
    Engine split(path, options, kGo, [&](double share) {
        CHECK(share >= reported && share <= 1 + 1e-9, share, " after ", reported);
        reported = share;
    });
    CHECK(reported > 1 - 1e-9, reported);
    CHECK(split.info().device == "ggml" && split.info().weight_bytes > all / 2, split.info().device);
    const std::string rest = split.info().device_reason;
    CHECK(rest.find("UNet") == std::string::npos && rest.find("text encoders ") != std::string::npos, rest);
    const Outputs got = run_all(split), wanted = run_all(*load(path, "f32", false));
    for (size_t i = 0; i < wanted.size(); i++) {
        const auto& values = wanted[i].values;
        const double error = relative_error(got[i].values.data(), values.data(), static_cast<int64_t>(values.size()));
        // The text encoder's are our kernels' own.
        CHECK(wanted[i].network == "text" ? error == 0 : error < kMostInF32, wanted[i].network, ": ", error);
    }
}

TEST("device: names that are none, and devices that this build lacks") {
    CHECK(nd::backend::open_device("cpu") == nullptr);
    CHECK(code_of([] { nd::backend::open_device("tpu"); }) == "INVALID_ARGUMENT");
    for (const auto& found : nd::backend::list_devices()) {
        const std::string code = code_of([&] { nd::backend::open_device(found.name); });
        CHECK(code == (found.reason.empty() ? "none" : "DEVICE_UNAVAILABLE"), found.name, ": ", code);
    }
}
