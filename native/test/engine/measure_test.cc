// What the engine says that a request needs, against the buffers that it then has.
#include <cmath>
#include <string>

#include "native/engine/engine.h"
#include "native/error.h"
#include "native/test/engine/support.h"
#include "native/test/weights/model_files.h"

using namespace nd::engine;
using namespace nd::test;

namespace {

const CancelToken kGo;

std::unique_ptr<Engine> open(const std::string& name, const std::string& precision, size_t budget, bool measures_only) {
    return std::make_unique<Engine>(std::string(ND_FIXTURES) + "/" + name,
                                    LoadOptions{precision, 2, budget, measures_only}, kGo, nullptr);
}

// Runs all stages of a request.
void run(Engine& engine, const MemoryRequest& request) {
    const auto& info = engine.info();
    const int64_t factor = info.vae->downscale(), height = request.height / factor, width = request.width / factor;
    std::vector<float> embeddings;
    for (int64_t row = 0; row < request.rows; row++) {
        const auto ids = std::vector<int32_t>(static_cast<size_t>(request.windows * info.text->context_length), 1);
        const auto encoded = engine.encode_text(ids, request.windows, 0, 1, kGo).embeddings;
        embeddings.insert(embeddings.end(), encoded.begin(), encoded.end());
    }
    const auto context = engine.create_context(embeddings, request.rows, nullptr, kGo);
    const Shape latents{request.batch, info.unet->in_channels, height, width};
    engine.predict_noise(wave(latents.size()), latents, 500, *context, {}, kGo);
    const Shape picture{1, info.vae->latent_channels, height, width};
    engine.decode(wave(picture.size()), picture, kGo);
    const Shape pixels{1, 3, request.height, request.width};
    if (request.encodes_pictures) engine.encode(wave(pixels.size()), pixels, kGo);
}

}  // namespace

TEST("measure: weights and compute buffer are those that a request then has, to the byte") {
    struct Case {
        const char *name, *precision;
        MemoryRequest request;
        size_t budget;
    };
    constexpr size_t kAmple = size_t{1} << 30, kTight = size_t{7} << 19;
    for (const auto& [name, precision, request, budget] :
         {Case{"sd1.safetensors", "auto", {64, 64, 1, 2, 1, false}, kAmple},
          Case{"sd1.safetensors", "q8_0", {128, 64, 3, 1, 2, false}, kAmple},
          Case{"wide", "q4_0", {64, 64, 1, 2, 1, true}, kAmple},
          Case{"quant.gguf", "auto", {64, 128, 2, 2, 1, true}, kAmple},
          Case{"deep.safetensors", "f32", {256, 128, 1, 2, 1, true}, kTight}}) {
        const MemoryUse use = open(name, precision, budget, true)->measure(request);
        const auto engine = open(name, precision, budget, false);
        CHECK(use.weights == engine->info().weight_bytes, name, " ", precision, ": ", use.weights);
        run(*engine, request);
        CHECK(use.compute() == engine->stats().compute_bytes, name, " ", precision, ": ", use.compute(), " ",
              engine->stats().compute_bytes);
    }
}

TEST("measure: an unconditional UNet, and Stable Diffusion XL with both of its text encoders") {
    const MemoryUse ddpm = open("ddpm.safetensors", "auto", size_t{1} << 30, true)->measure({32, 32, 2, 1, 1, false});
    const auto engine = open("ddpm.safetensors", "auto", size_t{1} << 30, false);
    const Shape pixels{2, 3, 32, 32};
    engine->predict_noise(wave(pixels.size()), pixels, 5, kNoContext, {}, kGo);
    CHECK(ddpm.weights == engine->info().weight_bytes && ddpm.compute() == engine->stats().compute_bytes);
    CHECK(ddpm.encode_text == 0 && ddpm.decode == 0);
    const MemoryUse xl = open("sdxl.safetensors", "auto", size_t{1} << 30, true)->measure({64, 64, 1, 2, 1, false});
    CHECK(xl.encode_text > 0 && xl.create_context > 0 && xl.predict_noise > 0 && xl.decode > 0 && xl.encode == 0);
}

TEST("measure: sizes that no request could have") {
    const auto engine = open("sd1.safetensors", "auto", size_t{1} << 30, true);
    for (const MemoryRequest request :
         {MemoryRequest{0, 64, 1, 2, 1, false}, MemoryRequest{64, 100000, 1, 2, 1, false},
          MemoryRequest{65, 64, 1, 2, 1, false}, MemoryRequest{64, 64, 0, 2, 1, false},
          MemoryRequest{64, 64, 5000, 2, 1, false}, MemoryRequest{64, 64, 1, -1, 1, false},
          MemoryRequest{64, 64, 1, 2, INT64_MAX, false}}) {
        THROWN("INVALID_ARGUMENT", engine->measure(request));
    }
}
