// Lets every allocation of every operation fail in turn: the operation ends with OUT_OF_MEMORY, and gives the same
// bytes as ever when it is done again. ggml's own small tables (malloc) are not among them: see
// backend/tensor_context.h.
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>

#include "native/engine/engine.h"
#include "native/error.h"
#include "native/test/memory/failing_allocator.h"
#include "native/test/tap.h"

using namespace nd::engine;
using nd::test::allocation_failed;
using nd::test::fail_allocation;

namespace {

using Bytes = std::vector<float>;
using Operation = std::function<Bytes()>;

const CancelToken kGo;
const std::string kFixtures = std::string(ND_FIXTURES) + "/", kFile = kFixtures + "avatar.safetensors";

std::shared_ptr<Engine> load(const char* precision = "auto", const std::string& file = kFile) {
    return std::make_shared<Engine>(file, LoadOptions{precision, 2, {}}, kGo, nullptr);
}

Bytes wave(int64_t size) {
    Bytes values(static_cast<size_t>(size));
    for (size_t i = 0; i < values.size(); i++) values[i] = static_cast<float>(i % 17) / 8 - 1;
    return values;
}

Bytes embeddings(Engine& engine) {
    return engine.encode_text(std::vector<int32_t>(77, 1), 1, 0, 1, kGo).embeddings;
}

// What `operation` came to: "" for a result, the code of an error; what else leaves it ends the test.
std::string outcome(const Operation& operation, Bytes& result) {
    try {
        result = operation();
    } catch (const nd::Error& error) {
        return error.code();
    } catch (const std::bad_alloc&) {
        return "OUT_OF_MEMORY";  // as the addon says
    }
    return "";
}

// `prepare` makes a fresh operation, so that nothing is cached. Every allocation fails while there are few, then one of
// each twentieth more, unless ND_EVERY_ALLOCATION is set.
void check_operation(const char* name, const std::function<Operation()>& prepare) {
    const Bytes expected = prepare()();
    const bool every = std::getenv("ND_EVERY_ALLOCATION") != nullptr;
    for (const bool lasting : {false, true}) {
        long failures = 0;
        for (long n = 1;; n += every ? 1 : 1 + n / 20) {
            const Operation operation = prepare();
            Bytes result;
            fail_allocation(n, lasting);
            const std::string code = outcome(operation, result);
            const bool failed = allocation_failed();
            fail_allocation(0, false);
            if (!failed) break;
            failures++;
            // A refusal that can be done without changes nothing.
            CHECK(code == "OUT_OF_MEMORY" || (code.empty() && result == expected), name, " allocation ", n, ": ", code);
            CHECK(operation() == expected, name, " after allocation ", n);
        }
        CHECK(failures > 0);
        std::printf("# %s: %ld failures\n", name, failures);
    }
}

}  // namespace

TEST("memory: opening a file") {
    check_operation("open", [] {
        return [] { return Bytes{static_cast<float>(describe(nd::weights::ModelFile::open(kFile)).parameters)}; };
    });
}

TEST("memory: loading a model") {
    check_operation("load", [] { return [] { return embeddings(*load()); }; });
}

TEST("memory: encoding text") {
    check_operation("encode_text", [] { return [engine = load()] { return embeddings(*engine); }; });
}

TEST("memory: creating a context") {
    check_operation("create_context", [] {
        const auto engine = load();
        return [engine, text = embeddings(*engine)] {
            const auto context = engine->create_context(text, 1, nullptr, kGo);
            return context->keys.front();
        };
    });
}

TEST("memory: predicting noise") {
    check_operation("predict_noise", [] {
        const auto engine = load();
        const auto context = engine->create_context(embeddings(*engine), 1, nullptr, kGo);
        return [engine, context] { return engine->predict_noise(wave(256), {1, 4, 8, 8}, 500, *context, {}, kGo); };
    });
}

// Merged into weights, and as layers of their own beside quantised ones.
TEST("memory: using a LoRA") {
    const std::string lora = std::string(ND_FIXTURES) + "/../adapters/plain.safetensors";
    check_operation("load_lora",
                    [&] { return [&] { return Bytes{static_cast<float>(nd::weights::LoraFile(lora).bytes())}; }; });
    for (const char* precision : {"auto", "q8_0"}) {
        check_operation(precision, [&] {
            const auto engine = load(precision);
            const auto file = std::make_shared<const nd::weights::LoraFile>(lora);
            return [engine, file, text = embeddings(*engine)] {
                const auto adapters = engine->create_adapters({{file, 1, 1}});
                return engine->create_context(text, 1, nullptr, kGo, adapters)->keys.front();
            };
        });
    }
}

TEST("memory: decoding and encoding") {
    check_operation("decode", [] {
        return [engine = load()] { return engine->decode(wave(256), {1, 4, 8, 8}, kGo).values; };
    });
    check_operation("encode", [] {
        return [engine = load()] { return engine->encode(wave(3 * 1024), {1, 3, 32, 32}, kGo).values; };
    });
}

TEST("memory: following a ControlNet") {
    const std::string file = kFixtures + "../control/edges.safetensors";
    check_operation("embed_hint", [&] {
        return [net = load("auto", file)] { return net->embed_hint(wave(3 * 1024), {1, 3, 32, 32}, kGo)->values; };
    });
    check_operation("control_residuals", [&] {
        const auto engine = load(), net = load("auto", file);
        const auto hint = net->embed_hint(wave(3 * 1024), {1, 3, 32, 32}, kGo);
        const auto context = net->create_context(embeddings(*engine), 1, nullptr, kGo);
        const Bytes strengths(net->info().control->map_channels.size(), 1);
        return [net, hint, context, strengths] {
            return net->control_residuals(wave(256), {1, 4, 8, 8}, 500, *context, *hint, strengths, kGo)
                ->maps.front()
                .values;
        };
    });
}

TEST("memory: upscaling, a VAE of its own, and measuring") {
    check_operation("upscale", [] {
        return [net = load("auto", kFixtures + "../upscalers/x2.safetensors")] {
            return net->upscale(wave(3 * 256), {1, 3, 16, 16}, kGo, nullptr);
        };
    });
    check_operation("load_vae", [] {
        return [] {
            Engine engine(kFile, LoadOptions{"auto", 2, {}, false, true}, kGo, nullptr);
            return engine.decode(wave(256), {1, 4, 8, 8}, kGo).values;
        };
    });
    check_operation("measure", [] {
        return [] {
            Engine engine(kFile, LoadOptions{"auto", 2, {}, true}, kGo, nullptr);
            return Bytes{static_cast<float>(engine.measure({64, 64, 1, 2, 1, true}).compute())};
        };
    });
}
