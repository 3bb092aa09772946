// Opening models of every format, and what is said of files that are none.
#include "native/weights/model_file.h"

#include "native/test/weights/torch_files.h"

using namespace nd::test;
using namespace nd::weights;

namespace {

const char* const kConvIn = "unet.conv_in.weight";

std::string json_config(const std::string& width) {
    return R"({"unet":{"cross_attention_dim":)" + width + R"(},"defaults":{"steps":8}})";
}

}  // namespace

TEST("model file: safetensors with its configuration") {
    const TemporaryFolder folder;
    const std::string metadata =
        R"({"modelspec.title":"x","node-diffusion.config":"{\"unet\":{\"cross_attention_dim\":32}}",)"
        R"("node-diffusion.merges":"a b\n"})";
    ModelFile model = ModelFile::open(
        folder.write("m.safetensors", safetensors({zeros("model.diffusion_model.input_blocks.0.0.weight", {2, 4, 3, 3}),
                                                   zeros("model_ema.decay", {1})},
                                                  metadata)));
    CHECK(model.format() == "safetensors" && model.tensors().size() == 1);
    CHECK(model.at(kConvIn).shape == std::vector<int64_t>({2, 4, 3, 3}));
    CHECK(model.at(kConvIn).file_name == "model.diffusion_model.input_blocks.0.0.weight");
    CHECK(model.has_component("unet.") && !model.has_component("vae.") && !model.has_component("text_encoder."));
    CHECK(model.config()["unet"]["cross_attention_dim"] == 32);
    CHECK(model.config()["vae"].is_object() && model.config()["defaults"].empty());
    CHECK(model.merges() == "a b\n");
    CHECK(model.find("unet.none") == nullptr);
    CHECK(contains(THROWN("MISSING_TENSOR", model.at("unet.none")), "unet.none"));
    model.release_pages();
    ModelFile moved = std::move(model);
    CHECK(moved.at(kConvIn).data[0] == std::byte{0}, "the bytes stay mapped after a move");
}

TEST("model file: gguf with its configuration") {
    const TemporaryFolder folder;
    GgufWriter writer;
    writer.text("node-diffusion.config", json_config("16"))
        .text("node-diffusion.merges", "c d\n")
        .tensor(zeros(kConvIn, {2, 4, 3, 3}));
    const ModelFile model = ModelFile::open(folder.write("anything.bin", writer.file()));
    CHECK(model.format() == "gguf" && model.at(kConvIn).shape == std::vector<int64_t>({2, 4, 3, 3}));
    CHECK(model.config()["unet"]["cross_attention_dim"] == 16 && model.config()["defaults"]["steps"] == 8);
    CHECK(model.merges() == "c d\n");
}

TEST("model file: a configuration that is damaged") {
    const TemporaryFolder folder;
    for (const char* config : {"{", "[]", "", R"({"unet":[]})", R"({"vae":1})"}) {
        GgufWriter writer;
        writer.text("node-diffusion.config", config).tensor(zeros(kConvIn, {1}));
        CHECK(contains(THROWN("FILE_INVALID", ModelFile::open(folder.write("bad", writer.file()))),
                       "node-diffusion.config"),
              config);
    }
}

TEST("model file: tensors of types that cannot be read") {
    const TemporaryFolder folder;
    const std::string half = R"({"unet.conv_in.weight":{"dtype":"F8_E4M3","shape":[2],"data_offsets":[0,2]})";
    const std::string bias = R"(,"unet.conv_in.bias":{"dtype":"F16","shape":[1],"data_offsets":[2,4]}})";
    const ModelFile model = ModelFile::open(folder.write("some", safetensors(half + bias, "1234")));
    CHECK(model.find(kConvIn) == nullptr && model.has(kConvIn) && !model.has("unet.none"));
    CHECK(contains(THROWN("UNSUPPORTED_TYPE", model.at(kConvIn)), "F8_E4M3"));
    CHECK(contains(THROWN("UNSUPPORTED_TYPE", ModelFile::open(folder.write("all", safetensors(half + "}", "1234")))),
                   "F8_E4M3"));
}

TEST("model file: files that are no models say what they are") {
    const TemporaryFolder folder;
    CHECK(contains(THROWN("FILE_NOT_FOUND", ModelFile::open(folder.path("none"))), "none"));
    CHECK(contains(THROWN("FILE_INVALID", ModelFile::open(folder.write("m.ckpt", "PK\x03\x04 and more"))), "zip"));
    CHECK(contains(THROWN("FILE_INVALID", ModelFile::open(folder.write("m.pt", "\x80\x02}q"))), "torch.save"));
    CHECK(contains(THROWN("UNSUPPORTED_TYPE", ModelFile::open(folder.write("m.tar", std::string(257, 'x') + "ustar"))),
                   "tar"));
    CHECK(contains(
        THROWN("FILE_INVALID", ModelFile::open(folder.write("m", "version https://git-lfs.github.com/spec/v1\n"))),
        "git lfs"));
    CHECK(
        contains(THROWN("FILE_INVALID", ModelFile::open(folder.write("page", "<!DOCTYPE html>"))), "<!DOCTYPE html>"));
    CHECK(contains(THROWN("FILE_INVALID", ModelFile::open(folder.write("e", ""))), "empty"));
    CHECK(contains(THROWN("FILE_INVALID", ModelFile::open(folder.write("short", "GG"))), "GG"));
    THROWN("FILE_NOT_FOUND", ModelFile::open(""));
    THROWN("FILE_NOT_FOUND", ModelFile::open(std::string("a\0b", 3)));
}

TEST("model file: a UNet's own folder, as DDPM pipelines are") {
    const TemporaryFolder folder;
    const std::string weights = safetensors({zeros("mid_block.attentions.0.query.weight", {2, 2})});
    folder.write("diffusion_pytorch_model.safetensors", weights);
    THROWN("UNKNOWN_ARCHITECTURE", ModelFile::open(folder.path()));
    folder.write("config.json", R"({"_class_name":"Transformer2DModel"})");
    THROWN("UNKNOWN_ARCHITECTURE", ModelFile::open(folder.path()));
    folder.write("config.json", R"({"_class_name":"UNet2DModel","freq_shift":1})");
    folder.write("scheduler_config.json", R"({"clip_sample":false})");
    const ModelFile model = ModelFile::open(folder.path());
    CHECK(model.format() == "diffusers" && model.find("unet.mid_block.attentions.0.to_q.weight"));
    CHECK(model.config()["unet"]["freq_shift"] == 1 && model.config()["scheduler"]["clip_sample"] == false);
}

TEST("model file: a diffusers folder") {
    const TemporaryFolder folder;
    folder.write("model_index.json", R"({"_class_name":"StableDiffusionPipeline"})");
    folder.write("unet/config.json", R"({"cross_attention_dim":48})");
    folder.write("unet/diffusion_pytorch_model.safetensors", safetensors({zeros("conv_in.weight", {2, 4, 3, 3})}));
    folder.write("vae/diffusion_pytorch_model.fp16.safetensors",
                 safetensors({zeros("encoder.mid_block.attentions.0.query.weight", {2, 2})}));
    folder.write("text_encoder/config.json", R"({"hidden_size":8})");
    folder.write("text_encoder/model.safetensors.index.json",
                 R"({"weight_map":{"text_model.final_layer_norm.bias":"model-2.safetensors",)"
                 R"("text_model.final_layer_norm.weight":"model-1.safetensors"}})");
    folder.write("text_encoder/model-1.safetensors", safetensors({zeros("text_model.final_layer_norm.weight", {8})}));
    folder.write("text_encoder/model-2.safetensors", safetensors({zeros("text_model.final_layer_norm.bias", {8})}));
    folder.write("scheduler/scheduler_config.json", R"({"beta_start":0.1})");
    folder.write("tokenizer/merges.txt", "#version: 0.2\r\ni n\r\nt h\r\n");
    const ModelFile model = ModelFile::open(folder.path());
    CHECK(model.format() == "diffusers" && model.tensors().size() == 4);
    CHECK(model.find(kConvIn) && model.find("vae.encoder.mid_block.attentions.0.to_q.weight"));
    CHECK(model.find("text_encoder.text_model.final_layer_norm.weight") &&
          model.find("text_encoder.text_model.final_layer_norm.bias"));
    CHECK(model.config()["unet"]["cross_attention_dim"] == 48 && model.config()["text_encoder"]["hidden_size"] == 8);
    CHECK(model.config()["scheduler"]["beta_start"] == 0.1 && model.config()["vae"].empty() &&
          model.config()["defaults"].empty());
    CHECK(model.merges() == "i n\nt h\n", model.merges());
}

TEST("model file: PyTorch's weights, alone and in folders of every form") {
    const TemporaryFolder folder;
    const std::string conv = torch_file({floats("conv_in.weight", {1, 2}, {1, 2})});
    const std::string norm = torch_file({floats("text_model.final_layer_norm.bias", {1}, {3})});
    const auto first_value = [](const ModelFile& model, const std::string& name) {
        float value;
        std::memcpy(&value, model.at(name).data, sizeof(value));
        return value;
    };
    const ModelFile single = ModelFile::open(
        folder.write("m.ckpt", torch_file({floats("model.diffusion_model.input_blocks.0.0.weight", {2}, {5, 6}),
                                           floats("model_ema.diffusion_modelinput_blocks00weight", {2}, {7, 8})})));
    CHECK(single.format() == "pytorch" && single.tensors().size() == 1 && first_value(single, kConvIn) == 5);

    folder.write("a/unet/diffusion_pytorch_model.bin", conv);
    folder.write("a/text_encoder/pytorch_model.fp16.bin", norm);
    folder.write("b/unet/diffusion_pytorch_model.bin.index.json", R"({"weight_map":{"conv_in.weight":"1.bin"}})");
    folder.write("b/unet/1.bin", conv);
    folder.write("b/text_encoder/pytorch_model.bin.index.fp16.json",
                 R"({"weight_map":{"text_model.final_layer_norm.bias":"2.bin"}})");
    folder.write("b/text_encoder/2.bin", norm);
    for (const char* name : {"a", "b"}) {
        const ModelFile model = ModelFile::open(folder.path(name));
        CHECK(model.format() == "diffusers" && model.tensors().size() == 2, name);
        CHECK(first_value(model, kConvIn) == 1, name);
        CHECK(first_value(model, "text_encoder.text_model.final_layer_norm.bias") == 3, name);
    }
    folder.write("a/unet/diffusion_pytorch_model.safetensors", safetensors({floats("conv_in.weight", {1}, {9})}));
    CHECK(first_value(ModelFile::open(folder.path("a")), kConvIn) == 9, "safetensors first");
}

TEST("model file: diffusers folders that are damaged or of another family") {
    const auto refused = [](const char* code, const std::vector<std::pair<std::string, std::string>>& files) {
        const TemporaryFolder folder;
        for (const auto& [name, bytes] : files) folder.write(name, bytes);
        return THROWN(code, ModelFile::open(folder.path()));
    };
    const std::string unet = "unet/diffusion_pytorch_model.safetensors",
                      good = safetensors({zeros("conv_in.weight", {1})});
    CHECK(contains(refused("UNKNOWN_ARCHITECTURE", {{"readme", "x"}}), "unet/"));
    CHECK(contains(refused("UNKNOWN_ARCHITECTURE", {{unet, good},
                                                    {"transformer/config.json", "{}"},
                                                    {"model_index.json", R"({"_class_name":"FluxPipeline"})"}}),
                   "FluxPipeline"));
    CHECK(contains(refused("FILE_INVALID", {{unet, good}, {"unet/config.json", "{"}}), "config.json"));
    CHECK(contains(refused("FILE_INVALID", {{unet, good}, {"unet/config.json", ""}}), "config.json"));
    CHECK(contains(refused("FILE_INVALID", {{unet, good}, {"model_index.json", "7"}}), "model_index.json"));
    CHECK(contains(refused("FILE_INVALID", {{unet, good}, {"scheduler/scheduler_config.json", "?"}}),
                   "scheduler_config.json"));
    CHECK(contains(refused("FILE_INVALID", {{unet, good.substr(0, 30)}}), unet));
    CHECK(contains(refused("FILE_INVALID", {{"unet/diffusion_pytorch_model.bin", "PK"}}), "PK"));
    const auto shards = [](const std::string& map) {
        return std::pair<std::string, std::string>("unet/diffusion_pytorch_model.safetensors.index.json", map);
    };
    CHECK(contains(refused("FILE_INVALID", {shards("{}")}), "weight_map"));
    CHECK(contains(refused("FILE_NOT_FOUND", {shards(R"({"weight_map":{"a":"none.safetensors"}})")}),
                   "none.safetensors"));
    for (const char* name : {"../x.safetensors", "/etc/passwd", "", "..", "a\\\\b", "c:x"}) {
        CHECK(contains(refused("FILE_INVALID", {shards(std::string(R"({"weight_map":{"a":")") + name + "\"}}")}),
                       "file name"),
              name);
    }
    CHECK(contains(refused("FILE_INVALID", {shards(R"({"weight_map":{"conv_in.bias":"s"}})"), {"unet/s", good}}),
                   "none of the files"));
    CHECK(contains(
        refused("FILE_INVALID",
                {shards(R"({"weight_map":{"conv_in.weight":"s","b":"t"}})"), {"unet/s", good}, {"unet/t", good}}),
        "another file"));
}

TEST("model file: flipped bytes give an error or a model, never a crash") {
    const TemporaryFolder folder;
    GgufWriter writer;
    writer.text("node-diffusion.config", json_config("16")).value("general.alignment", 4, raw(uint32_t{32}));
    writer.tensor(floats(kConvIn, {2, 4}, noise(8)))
        .tensor({"vae.quant_conv.weight", {1, 32}, GGML_TYPE_Q8_0, std::string(34, '\2')});
    const std::string metadata = R"({"node-diffusion.config":"{\"unet\":{}}"})";
    const std::string name = "cond_stage_model.model.transformer.resblocks.0.attn.in_proj_weight";
    const std::vector<std::string> files = {
        writer.file(), safetensors({floats(kConvIn, {2, 4}, noise(8)), floats(name, {3, 2}, noise(6))}, metadata)};
    std::mt19937 random(1);
    int opened = 0, refused = 0;
    for (int i = 0; i < 500; ++i) {
        std::string bytes = files[static_cast<size_t>(i) % 2];
        for (uint32_t flips = 1 + random() % 4; flips > 0; --flips)
            bytes[random() % bytes.size()] = static_cast<char>(random());
        const std::string path = folder.write("mutant", bytes);
        try {
            const ModelFile model = ModelFile::open(path);
            ++opened;
            unsigned sum = 0;  // every byte that a tensor claims can be read
            for (const auto& [tensor, source] : model.tensors()) {
                for (size_t b = 0; b < source.size; ++b) sum += std::to_integer<unsigned>(source.data[b]);
            }
            CHECK(sum < UINT32_MAX);
        } catch (const nd::Error&) {
            ++refused;
        }
    }
    CHECK(opened > 0 && refused > 0 && opened + refused == 500, opened, " opened, ", refused, " refused");
}
