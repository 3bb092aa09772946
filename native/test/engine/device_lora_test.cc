// LoRAs on a device: they change what they change on our kernels, as much, and leave nothing behind.
#include <cmath>
#include <cstdio>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "native/engine/engine.h"
#include "native/test/engine/device_engines.h"
#include "native/test/engine/support.h"
#include "native/test/kernels/support.h"
#include "native/test/weights/model_files.h"

using namespace nd::engine;
using namespace nd::test;

namespace {

using Loras = std::vector<std::pair<std::string, float>>;  // files and weights
using Outputs = std::map<std::string, std::vector<float>>;

const std::string kAvatar = kNetworks + "/avatar.safetensors", kQuantised = kNetworks + "/quant.gguf";

std::string fixture(const std::string& name) {
    return kFixtures + "/adapters/" + name + ".safetensors";
}

std::shared_ptr<const AdapterSet> bind(Engine& engine, const Loras& loras) {
    std::vector<AdapterUse> uses;
    for (const auto& [path, weight] : loras)
        uses.push_back({std::make_shared<const nd::weights::LoraFile>(path), weight, weight});
    return engine.create_adapters(uses);
}

// What LoRAs change: text, and the UNet with the keys and values of its context.
Outputs outputs_of(Engine& engine, const Loras& loras) {
    const auto set = loras.empty() ? nullptr : bind(engine, loras);
    const auto encode = [&](int64_t encoder) {
        return engine.encode_text(std::vector<int32_t>(77, 1), 1, 0, encoder, kGo, set.get());
    };
    Outputs outputs;
    if (engine.info().text) outputs["text"] = encode(1).embeddings;
    if (engine.info().text2) {
        EncodedText encoded = encode(2);
        outputs["second text"] = std::move(encoded.embeddings);
        outputs["pooled"] = std::move(encoded.pooled);
    }
    const auto& config = *engine.info().unet;
    std::optional<Addition> addition;
    if (config.has_addition()) {
        addition = Addition{wave(config.addition.pooled_width),
                            std::vector<float>(static_cast<size_t>(config.addition.size_numbers), 64.0f)};
    }
    const auto context =
        engine.create_context(wave(77 * config.context_width), 1, addition ? &*addition : nullptr, kGo, set);
    const Shape shape{1, config.in_channels, 8, 16};
    outputs["unet"] = engine.predict_noise(wave(shape.size()), shape, 500, *context, {}, kGo);
    return outputs;
}

double difference(const std::vector<float>& got, const std::vector<float>& wanted) {
    if (got.size() != wanted.size() || got.empty()) return INFINITY;
    return relative_error(got.data(), wanted.data(), static_cast<int64_t>(wanted.size()));
}

// Holds what LoRAs make of a model on the device to what they make of it in f32 on our kernels -> how much they change
// the UNet there.
double compare(Engine& device, Engine& kernels, const Loras& loras, double most, const std::string& what) {
    const Outputs got = outputs_of(device, loras), wanted = outputs_of(kernels, loras);
    CHECK(got.size() == wanted.size(), what);
    for (const auto& [network, values] : wanted) {
        const double error = difference(got.at(network), values);
        CHECK(error < most, what, ", ", network, ": ", error);
        if (kNamed) std::printf("# %s, %s: %.1e\n", what.c_str(), network.c_str(), error);
    }
    return difference(wanted.at("unet"), outputs_of(kernels, {}).at("unet"));
}

// A LoRA of rank 3 over every linear layer and convolution that the file holds, and the layers.
std::pair<std::string, int64_t> lora_of_all(const std::string& model, uint32_t seed) {
    constexpr int64_t kRank = 3;
    const auto file = nd::weights::ModelFile::open(model);
    std::vector<TestTensor> tensors;
    for (const auto& [name, tensor] : file.tensors()) {
        const bool changed = name.starts_with("unet.") || name.starts_with("text_encoder");
        if (!changed || !name.ends_with(".weight") || tensor.shape.size() < 2) continue;
        if (name.find("_embedding.weight") != std::string::npos) continue;  // a table
        std::vector<int64_t> down = tensor.shape;
        if (down.size() == 3) {  // as quantised files have convolutions, [out, k * k, in]
            const auto side = static_cast<int64_t>(std::sqrt(static_cast<double>(down[1])));
            down = {down[0], down[2], side, side};
        }
        std::vector<int64_t> up = {down[0], kRank};
        if (down.size() == 4) up.insert(up.end(), {1, 1});
        down[0] = kRank;
        int64_t row = 1;
        for (size_t i = 1; i < down.size(); ++i) row *= down[i];
        auto values = noise(static_cast<size_t>(up[0] * kRank), ++seed);
        for (float& value : values) value *= 0.4f / std::sqrt(static_cast<float>(row));
        const std::string layer = name.substr(0, name.size() - std::string(".weight").size());
        tensors.push_back(floats(layer + ".lora_A.weight", down, noise(static_cast<size_t>(row * kRank), ++seed)));
        tensors.push_back(floats(layer + ".lora_B.weight", up, values));
    }
    return {safetensors(tensors), static_cast<int64_t>(tensors.size() / 2)};
}

}  // namespace

TEST("device: LoRAs of every kind, one after another, then none") {
    const auto device = load(kAvatar, "f32", true), kernels = load(kAvatar, "f32", false);
    const Outputs before = outputs_of(*device, {});
    std::vector<Loras> all;
    for (const char* name : {"plain", "compvis-blocks", "tucker", "hadamard", "kronecker", "full", "peft"})
        all.push_back({{fixture(name), 0.7f}});
    all.push_back({{fixture("plain"), 0.7f}, {fixture("hadamard"), -0.3f}});
    all.push_back({{fixture("plain"), 0.2f}});
    std::vector<Outputs> first;
    for (const Loras& loras : all) {
        const std::string what = loras.back().first.substr(kNetworks.size());
        CHECK(compare(*device, *kernels, loras, kMostInF32, what) > 1e-2, what, " changes nothing");
        first.push_back(outputs_of(*device, loras));
    }
    for (size_t i = all.size(); i-- > 0;)
        CHECK(outputs_of(*device, all[i]) == first[i], i, ": other bytes after others");
    CHECK(outputs_of(*device, {}) == before, "other bytes than before");
}

TEST("device: a LoRA over every layer of every family") {
    const TemporaryFolder folder;
    for (const char* name :
         {"sd1.safetensors", "sd2.safetensors", "wide", "linear", "sdxl.safetensors", "quant.gguf"}) {
        const std::string model = kNetworks + "/" + name;
        const auto [bytes, layers] = lora_of_all(model, 1);
        const Loras loras = {{folder.write("all.safetensors", bytes), 1.0f}};
        const auto device = load(model, "f32", true), kernels = load(model, "f32", false);
        const AdapterReport report = bind(*device, loras)->reports().front();
        CHECK(report.unet_layers + report.text_layers == layers && report.unmatched.empty(), name, ": ",
              report.unet_layers + report.text_layers, " of ", layers);
        CHECK(compare(*device, *kernels, loras, kMostInF32, name) > 5e-2, name);
    }
}

TEST("device: LoRAs in other precisions, beside weights in blocks too, and back") {
    const std::pair<const char*, double> precisions[] = {{"f16", 1e-2}, {"bf16", 3e-2}, {"q8_0", 3e-2}};
    const std::pair<std::string, const char*> models[] = {
        {kAvatar, "plain"}, {kAvatar, "kronecker"}, {kQuantised, "quantised"}};
    for (const auto& [model, lora] : models) {
        const auto kernels = load(model, "f32", false);
        for (const auto& [precision, most] : precisions) {
            const auto device = load(model, precision, true);
            const Outputs before = outputs_of(*device, {});
            const Loras loras = {{fixture(lora), 0.8f}}, less = {{fixture(lora), 0.3f}};
            const std::string what = std::string(lora) + ", " + precision;
            CHECK(compare(*device, *kernels, loras, most, what) > 2 * most, what, " changes too little");
            const Outputs changed = outputs_of(*device, loras);
            compare(*device, *kernels, less, most, what + ", less of it");
            CHECK(outputs_of(*device, loras) == changed, what, ": other bytes after another weight");
            CHECK(outputs_of(*device, {}) == before, what, ": other bytes than before");
        }
    }
}

TEST("device: LoRAs that do not fit are refused there as on our kernels") {
    const TemporaryFolder folder;
    const auto device = load(kAvatar, "f32", true), kernels = load(kAvatar, "f32", false);
    const auto said = [](Engine& engine, const std::string& path) -> std::string {
        try {
            bind(engine, {{path, 1.0f}});
        } catch (const nd::Error& error) {
            return std::string(error.code()) + ": " + error.what();
        }
        return "none";
    };
    int files = 0;
    const auto pair = [&](const std::string& layer, std::vector<int64_t> up, std::vector<int64_t> down) {
        const std::string name = std::to_string(files++) + ".safetensors";
        return folder.write(name, safetensors({zeros("unet." + layer + ".lora_A.weight", std::move(down)),
                                               zeros("unet." + layer + ".lora_B.weight", std::move(up))}));
    };
    const int64_t width = device->info().unet->levels.front().channels, channels = device->info().unet->in_channels;
    const std::pair<std::string, const char*> cases[] = {
        {pair("conv_in", {width, 2, 1, 1}, {2, channels, 3, 3}), "none"},
        {pair("conv_in", {width, 2, 1, 1}, {2, channels, 1, 1}), "TENSOR_SHAPE"},
        {pair("conv_in", {width, 2, 1, 1}, {2, channels * 9, 1, 1}), "TENSOR_SHAPE"},
        {pair("conv_in", {width + 1, 2, 1, 1}, {2, channels, 3, 3}), "TENSOR_SHAPE"},
        {pair("time_embedding.linear_1", {7, 2}, {2, width}), "TENSOR_SHAPE"},
        {pair("nowhere", {7, 2}, {2, width}), "INVALID_ARGUMENT"},
    };
    for (const auto& [path, code] : cases) {
        const std::string got = said(*device, path);
        CHECK(got.starts_with(code) && got == said(*kernels, path), path, ": ", got);
    }
}
