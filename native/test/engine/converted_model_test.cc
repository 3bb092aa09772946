// Converted models compute what their originals do: on the tiny models of test/fixtures/networks, to the bit.
#include <cmath>
#include <string>

#include "native/engine/engine.h"
#include "native/kernels/cpu.h"
#include "native/test/engine/support.h"
#include "native/test/kernels/support.h"
#include "native/test/weights/model_files.h"
#include "native/weights/model_conversion.h"

using namespace nd::engine;
using namespace nd::test;

namespace {

// What every network of a model computes.
std::vector<float> outputs(const std::string& path, const std::string& precision) {
    const CancelToken go;
    Engine engine(path, {precision, 2, size_t{1} << 30}, go, nullptr);
    std::vector<float> all = engine.encode_text(std::vector<int32_t>(2 * 77, 1), 2, 0, 1, go).embeddings;
    const auto context = engine.create_context(all, 2, nullptr, go);
    const Shape latents{1, engine.info().unet->in_channels, 8, 8};
    const int64_t channels = engine.info().vae->latent_channels, factor = engine.info().vae->downscale();
    for (const auto& part :
         {engine.predict_noise(wave(latents.size()), latents, 500, *context, {}, go),
          engine.decode(wave(channels * 64), {1, channels, 8, 8}, go).values,
          engine.encode(wave(3 * 64 * factor * factor), {1, 3, 8 * factor, 8 * factor}, go).values}) {
        all.insert(all.end(), part.begin(), part.end());
    }
    return all;
}

}  // namespace

TEST("converted model: from every form of file, in the file's own types") {
    const TemporaryFolder folder;
    for (const char* name : {"sd1.safetensors", "sd2.safetensors", "wide", "linear", "quant.gguf"}) {
        const std::string input = std::string(ND_FIXTURES) + "/" + name, output = folder.path("out.gguf");
        nd::weights::convert_model(input, output, {});
        CHECK(outputs(input, "auto") == outputs(output, "auto"), name);
    }
}

TEST("converted model: quantised, as the original loaded in that precision") {
    const TemporaryFolder folder;
    for (const char* name : {"sd1.safetensors", "wide"}) {
        const std::string input = std::string(ND_FIXTURES) + "/" + name, output = folder.path("out.gguf");
        for (const char* type : {"q4_0", "q5_1", "iq4_nl", "q4_k"}) {
            nd::weights::ConversionOptions options;
            options.type = type;
            nd::weights::convert_model(input, output, options);
            const auto wanted = outputs(input, type), got = outputs(output, type);
            // Rows that are no whole blocks are f16 in the file; from the original they are bf16 at once.
            const bool rounds_twice = nd::kernels::has_bf16() && std::string(name) == "wide";
            CHECK(rounds_twice ? relative_error(got.data(), wanted.data(), static_cast<int64_t>(wanted.size())) < 1e-2
                               : got == wanted,
                  name, " ", type);
        }
    }
}
