// The engine on the tiny models of test/fixtures/networks: that it runs, cancels and refuses cleanly. That it is right
// is checked against diffusers in test/model/networks.test.ts.
#include "native/engine/engine.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>

#include "native/error.h"
#include "native/kernels/cpu.h"
#include "native/test/engine/support.h"
#include "native/test/tap.h"

using namespace nd::engine;
using namespace nd::test;

namespace {

const std::string kFixtures = ND_FIXTURES;

bool all_finite(const std::vector<float>& values) {
    for (const float value : values) {
        if (!std::isfinite(value)) return false;
    }
    return !values.empty();
}

std::unique_ptr<Engine> load(const std::string& name, LoadOptions options = {"auto", 2, size_t{1} << 30}) {
    const CancelToken token;
    return std::make_unique<Engine>(kFixtures + "/" + name, options, token, nullptr);
}

}  // namespace

TEST("engine: every network of every fixture, in several shapes and precisions") {
    const CancelToken go;
    for (const char* name : {"sd1.safetensors", "sd2.safetensors", "wide", "deep.safetensors", "avatar.safetensors",
                             "quant.gguf", "linear"}) {
        for (const char* precision : {"auto", "q8_0"}) {
            const auto engine = load(name, {precision, 2, size_t{1} << 30});
            const auto& info = engine->info();
            const auto embeddings = engine->encode_text(std::vector<int32_t>(2 * 77, 1), 2, 0, 1, go).embeddings;
            CHECK(all_finite(embeddings), name);
            const auto context = engine->create_context(embeddings, 2, nullptr, go);
            const int64_t c = info.unet->in_channels;
            for (const Shape shape : {Shape{1, c, 8, 8}, Shape{3, c, 8, 8}, Shape{1, c, 9, 13}, Shape{1, c, 1, 1}}) {
                const auto noise = engine->predict_noise(wave(shape.size()), shape, 500, *context, {}, go);
                CHECK(all_finite(noise) && static_cast<int64_t>(noise.size()) == 2 * shape.size(), name, " ",
                      shape.height);
            }
            const int64_t latent_channels = info.vae->latent_channels, f = info.vae->downscale();
            const auto pixels = engine->decode(wave(latent_channels * 15), {1, latent_channels, 3, 5}, go).values;
            CHECK(all_finite(pixels) && static_cast<int64_t>(pixels.size()) == 3 * 15 * f * f, name);
            const auto latents = engine->encode(pixels, {1, 3, 3 * f, 5 * f}, go).values;
            CHECK(all_finite(latents) && static_cast<int64_t>(latents.size()) == latent_channels * 15, name);
        }
    }
}

TEST("engine: block-quantised weights multiplied in bf16 are close to the same weights in f32") {
    using nd::kernels::Isa;
    if (!nd::kernels::has_bf16()) return;
    const CancelToken go;
    const auto run = [&](Isa isa, const char* name, const char* precision) {
        nd::kernels::set_isa(isa);
        const auto engine = load(name, {precision, 2, size_t{1} << 30});
        const int64_t width = engine->info().unet->context_width, latent = engine->info().vae->latent_channels;
        const auto context = engine->create_context(wave(77 * width), 1, nullptr, go);
        const Shape shape{2, engine->info().unet->in_channels, 8, 8};
        auto out = engine->predict_noise(wave(shape.size()), shape, 500, *context, {}, go);
        const auto pixels = engine->decode(wave(latent * 15), {1, latent, 3, 5}, go).values;
        out.insert(out.end(), pixels.begin(), pixels.end());
        nd::kernels::set_isa(nd::kernels::best_isa());
        return out;
    };
    for (const char* name : {"sd1.safetensors", "sd2.safetensors", "wide", "quant.gguf"}) {
        for (const char* precision : {"q4_0", "q5_1", "q6_k"}) {
            const auto exact = run(Isa::avx2, name, precision), got = run(nd::kernels::best_isa(), name, precision);
            double difference = 0, size = 0;
            for (size_t i = 0; i < exact.size(); ++i)
                difference += std::pow(got[i] - exact[i], 2), size += std::pow(exact[i], 2);
            const double error = std::sqrt(difference / size);
            CHECK(got.size() == exact.size() && error > 0 && error < 3e-2, name, " ", precision, ": ", error);
        }
    }
}

TEST("engine: unconditional UNets take pixels and no context") {
    const CancelToken go;
    for (const char* name : {"ddpm.safetensors", "ddpm_old", "ddpm_grey"}) {
        const auto engine = load(name);
        const auto& info = engine->info();
        CHECK(info.family == "ddpm" && !info.text && !info.vae && info.unet->unconditional(), name);
        const int64_t c = info.unet->in_channels, m = info.unet->multiple();
        for (const Shape shape : {Shape{1, c, m, m}, Shape{2, c, 3 * m, 2 * m}}) {
            const auto noise = engine->predict_noise(wave(shape.size()), shape, 500, kNoContext, {}, go);
            CHECK(all_finite(noise) && static_cast<int64_t>(noise.size()) == shape.size(), name, " ", shape.height);
        }
        const Shape odd{1, c, m + 1, m};
        CHECK(code_of([&] { engine->predict_noise(wave(odd.size()), odd, 1, kNoContext, {}, go); }) ==
              "INVALID_ARGUMENT");
        CHECK(code_of([&] { engine->create_context(wave(77), 1, nullptr, go); }) == "MISSING_COMPONENT");
        CHECK(code_of([&] { engine->decode(wave(odd.size()), odd, go); }) == "MISSING_COMPONENT");
    }
    const auto with_text = load("avatar.safetensors");
    CHECK(code_of([&] {
              with_text->predict_noise(wave(256), {1, 4, 8, 8}, 1, kNoContext, {}, go);
          }) == "INVALID_ARGUMENT");
}

TEST("engine: perturbed attention has graphs of its own, and names of blocks that are there") {
    using Kind = nd::models::Perturbation::Kind;
    const CancelToken go;
    const auto engine = load("deep.safetensors");
    CHECK(engine->info().unet->attention_blocks() ==
          std::vector<std::string>({"down.1", "down.2", "mid", "up.1", "up.2"}));
    const auto embeddings = engine->encode_text(std::vector<int32_t>(77, 1), 1, 0, 1, go).embeddings;
    const auto context = engine->create_context(embeddings, 1, nullptr, go);
    const Shape shape{1, 4, 16, 16};  // the middle block sees 2 x 2: one pixel alone attends to itself anyway
    const auto predict = [&](Kind kind, std::vector<std::string> blocks) {
        return engine->predict_noise(wave(shape.size()), shape, 500, *context, {{kind, std::move(blocks)}, {}}, go);
    };
    const auto plain = predict(Kind::none, {}), identity = predict(Kind::identity, {"mid"});
    const auto skip = predict(Kind::skip, {"mid"}), other = predict(Kind::identity, {"mid", "up.2"});
    CHECK(plain != identity && identity != skip && plain != skip && other != identity);
    CHECK(predict(Kind::none, {}) == plain && predict(Kind::identity, {"mid"}) == identity);
    CHECK(predict(Kind::identity, {}) == plain);
    for (const char* block : {"down.0", "up.3", "down.7", "middle", "down.", ""}) {
        CHECK(code_of([&] { predict(Kind::identity, {block}); }) == "INVALID_ARGUMENT", block);
    }
}

TEST("engine: tiles keep within the smallest budget that holds one, for decoding and encoding") {
    const CancelToken go;
    // Kernels differ in the scratch memory that they want, and so in what a tile needs.
    const auto needs = [&](size_t budget) {
        return load("avatar.safetensors", {"auto", 1, budget, true})->measure({192, 256, 1, 1, 1, true});
    };
    const MemoryUse tiles = needs(1), whole = needs(SIZE_MAX);
    const size_t budget = std::max(tiles.decode, tiles.encode);
    CHECK(3 * budget < std::min(whole.decode, whole.encode), budget, " ", whole.decode, " ", whole.encode);
    const auto engine = load("avatar.safetensors", {"auto", 1, budget});
    const auto pixels = engine->decode(wave(4 * 64 * 48), {1, 4, 64, 48}, go).values;
    CHECK(all_finite(pixels) && pixels.size() == 3 * 256 * 192);
    CHECK(all_finite(engine->encode(pixels, {1, 3, 256, 192}, go).values));
    CHECK(engine->stats().compute_bytes == budget, engine->stats().compute_bytes, " of ", budget);
    const auto tight = load("avatar.safetensors", {"auto", 1, budget - 1});
    CHECK(code_of([&] {
              tight->decode(wave(4 * 64 * 48), {1, 4, 64, 48}, go);
              tight->encode(pixels, {1, 3, 256, 192}, go);
          }) == "OUT_OF_MEMORY");
}

TEST("engine: what does not fit a budget is OUT_OF_MEMORY with both sizes, and what fits still works") {
    const CancelToken go;
    const auto engine = load("avatar.safetensors", {"auto", 1, 1'000'000});
    const auto context = engine->create_context(
        engine->encode_text(std::vector<int32_t>(77, 1), 1, 0, 1, go).embeddings, 1, nullptr, go);
    const auto predict = [&](int64_t side) {
        return engine->predict_noise(wave(4 * side * side), {1, 4, side, side}, 1, *context, {}, go);
    };
    const auto before = predict(8);
    try {
        predict(128);
        CHECK(false, "nothing was thrown");
    } catch (const nd::Error& error) {
        const std::string message = error.what();
        CHECK(std::string(error.code()) == "OUT_OF_MEMORY" && message.find("budget of 1000000 bytes") != message.npos,
              message);
    }
    CHECK(predict(8) == before);
    const auto tiny = load("avatar.safetensors", {"auto", 1, 1000});
    CHECK(code_of([&] { tiny->decode(wave(256), {1, 4, 8, 8}, go); }) == "OUT_OF_MEMORY", "no tile is that small");
}

TEST("engine: a cancelled call throws ABORTED and the next one works") {
    const CancelToken go;
    CancelToken stop;
    stop.cancel();
    const auto engine = load("avatar.safetensors");
    const auto embeddings = engine->encode_text(std::vector<int32_t>(77, 1), 1, 0, 1, go).embeddings;
    const auto context = engine->create_context(embeddings, 1, nullptr, go);
    const Shape shape{1, 4, 8, 8};
    const auto x = wave(shape.size());
    CHECK(code_of([&] { engine->predict_noise(x, shape, 1, *context, {}, stop); }) == "ABORTED");
    CHECK(code_of([&] { engine->decode(x, shape, stop); }) == "ABORTED");
    CHECK(code_of([&] { engine->encode_text(std::vector<int32_t>(77, 1), 1, 0, 1, stop); }) == "ABORTED");
    CHECK(all_finite(engine->predict_noise(x, shape, 1, *context, {}, go)));
}

TEST("engine: sizes that do not fit are INVALID_ARGUMENT") {
    const CancelToken go;
    const auto engine = load("avatar.safetensors");
    CHECK(code_of([&] { engine->encode_text(std::vector<int32_t>(77, 1 << 20), 1, 0, 1, go); }) == "INVALID_ARGUMENT");
    CHECK(code_of([&] { engine->encode_text(std::vector<int32_t>(77, 1), 1, 99, 1, go); }) == "INVALID_ARGUMENT");
    CHECK(code_of([&] { engine->create_context(wave(77), 1, nullptr, go); }) == "INVALID_ARGUMENT");
    CHECK(code_of([&] { engine->decode(wave(10), {1, 4, 8, 8}, go); }) == "INVALID_ARGUMENT");
    CHECK(code_of([&] { engine->encode(wave(3 * 81), {1, 3, 9, 9}, go); }) == "INVALID_ARGUMENT");
}

TEST("engine: one context after another in one program") {
    const CancelToken go;
    const auto engine = load("avatar.safetensors");
    const Shape shape{1, 4, 8, 8};
    const auto x = wave(shape.size());
    const int64_t width = engine->info().text->width;
    const auto a = engine->create_context(wave(77 * width), 1, nullptr, go);
    const auto b = engine->create_context(std::vector<float>(static_cast<size_t>(77 * width), 0.5f), 1, nullptr, go);
    const auto first = engine->predict_noise(x, shape, 1, *a, {}, go);
    const auto other = engine->predict_noise(x, shape, 1, *b, {}, go);
    CHECK(first != other);
    CHECK(engine->predict_noise(x, shape, 1, *a, {}, go) == first);
}
