// The naming tables, by example; and which files are refused for what they are.
#include "native/weights/names.h"

#include <cmath>
#include <cstring>

#include "native/test/weights/model_files.h"

using namespace nd::test;
using namespace nd::weights;

namespace {

using Table = std::vector<std::pair<std::string, std::string>>;  // the file's name -> the canonical one, "" for none

void check_table(const Table& table) {
    std::vector<std::string> names;
    for (const auto& [from, to] : table) names.push_back(from);
    const NameMap map(names);
    for (const auto& [from, to] : table) {
        const std::vector<CanonicalName> got = map.map(from);
        const std::string first = got.empty() ? "" : got.front().name;
        CHECK(first == to && got.size() <= 1, from, ": expected '", to, "', got '", first, "'");
    }
}

FileContents contents_of(const std::vector<std::string>& names) {
    FileContents contents;
    for (const std::string& name : names) contents.tensors[name].file_name = name;
    return contents;
}

}  // namespace

TEST("names: TAESD's own files hold one side, with numbers alone") {
    check_table({{"0.weight", "taesd.encoder.layers.0.weight"},
                 {"1.conv.0.weight", "taesd.encoder.layers.1.conv.0.weight"},
                 {"14.bias", "taesd.encoder.layers.14.bias"},
                 {"x.bias", ""},
                 {"bias", ""}});
    check_table({{"1.weight", "taesd.decoder.layers.0.weight"},
                 {"3.conv.0.weight", "taesd.decoder.layers.2.conv.0.weight"},
                 {"18.bias", "taesd.decoder.layers.17.bias"},
                 {"0.weight", ""}});
    check_table({{"encoder.layers.0.weight", "taesd.encoder.layers.0.weight"},
                 {"decoder.layers.17.bias", "taesd.decoder.layers.17.bias"}});
    check_table({{"vae.decoder.layers.2.conv.4.bias", "taesd.decoder.layers.2.conv.4.bias"}});
}

TEST("names: a CompVis UNet of two layers a level") {
    const std::string p = "model.diffusion_model.";
    check_table({
        {p + "input_blocks.3.0.op.weight", "unet.down_blocks.0.downsamplers.0.conv.weight"},
        {p + "input_blocks.6.0.op.bias", "unet.down_blocks.1.downsamplers.0.conv.bias"},
        {p + "time_embed.0.weight", "unet.time_embedding.linear_1.weight"},
        {p + "time_embed.2.bias", "unet.time_embedding.linear_2.bias"},
        {p + "input_blocks.0.0.weight", "unet.conv_in.weight"},
        {p + "input_blocks.1.0.in_layers.0.weight", "unet.down_blocks.0.resnets.0.norm1.weight"},
        {p + "input_blocks.2.0.in_layers.2.bias", "unet.down_blocks.0.resnets.1.conv1.bias"},
        {p + "input_blocks.4.0.skip_connection.weight", "unet.down_blocks.1.resnets.0.conv_shortcut.weight"},
        {p + "input_blocks.5.0.emb_layers.1.weight", "unet.down_blocks.1.resnets.1.time_emb_proj.weight"},
        {p + "input_blocks.5.1.transformer_blocks.0.attn2.to_k.weight",
         "unet.down_blocks.1.attentions.1.transformer_blocks.0.attn2.to_k.weight"},
        {p + "middle_block.0.out_layers.0.bias", "unet.mid_block.resnets.0.norm2.bias"},
        {p + "middle_block.1.proj_in.weight", "unet.mid_block.attentions.0.proj_in.weight"},
        {p + "middle_block.2.out_layers.3.weight", "unet.mid_block.resnets.1.conv2.weight"},
        {p + "output_blocks.2.1.conv.weight", "unet.up_blocks.0.upsamplers.0.conv.weight"},
        {p + "output_blocks.5.2.conv.weight", "unet.up_blocks.1.upsamplers.0.conv.weight"},
        {p + "output_blocks.3.0.in_layers.2.weight", "unet.up_blocks.1.resnets.0.conv1.weight"},
        {p + "output_blocks.4.1.norm.weight", "unet.up_blocks.1.attentions.1.norm.weight"},
        {p + "out.0.weight", "unet.conv_norm_out.weight"},
        {p + "out.2.weight", "unet.conv_out.weight"},
        {p + "input_blocks.1.0.unheard_of.weight", ""},
        {p + "input_blocks.7.5.norm.weight", ""},
        {p + "input_blocks.x.0.norm.weight", ""},
        {p + "input_blocks.", ""},
        {p + "input_blocks.99999999999999999999.0.norm.weight", ""},
        {"model_ema.diffusion_modelinput_blocks00weight", ""},
        {"alphas_cumprod", ""},
    });
}

TEST("names: a CompVis UNet of one level and three layers, alone in its file") {
    check_table({{"input_blocks.3.0.in_layers.0.weight", "unet.down_blocks.0.resnets.2.norm1.weight"},
                 {"output_blocks.3.1.norm.weight", "unet.up_blocks.0.attentions.3.norm.weight"}});
}

TEST("names: a CompVis VAE, whose decoder counts its levels from the other end") {
    const std::string p = "first_stage_model.";
    check_table({
        {p + "quant_conv.weight", "vae.quant_conv.weight"},
        {p + "post_quant_conv.bias", "vae.post_quant_conv.bias"},
        {p + "encoder.conv_in.weight", "vae.encoder.conv_in.weight"},
        {p + "encoder.norm_out.bias", "vae.encoder.conv_norm_out.bias"},
        {p + "encoder.down.1.block.0.nin_shortcut.weight", "vae.encoder.down_blocks.1.resnets.0.conv_shortcut.weight"},
        {p + "encoder.down.0.downsample.conv.weight", "vae.encoder.down_blocks.0.downsamplers.0.conv.weight"},
        {p + "encoder.mid.block_1.norm1.weight", "vae.encoder.mid_block.resnets.0.norm1.weight"},
        {p + "decoder.mid.block_2.conv2.weight", "vae.decoder.mid_block.resnets.1.conv2.weight"},
        {p + "decoder.mid.attn_1.norm.weight", "vae.decoder.mid_block.attentions.0.group_norm.weight"},
        {p + "decoder.mid.attn_1.q.weight", "vae.decoder.mid_block.attentions.0.to_q.weight"},
        {p + "decoder.mid.attn_1.proj_out.bias", "vae.decoder.mid_block.attentions.0.to_out.0.bias"},
        {p + "decoder.up.3.block.2.conv1.weight", "vae.decoder.up_blocks.0.resnets.2.conv1.weight"},
        {p + "decoder.up.0.block.0.nin_shortcut.bias", "vae.decoder.up_blocks.3.resnets.0.conv_shortcut.bias"},
        {p + "decoder.up.1.upsample.conv.weight", "vae.decoder.up_blocks.2.upsamplers.0.conv.weight"},
        {p + "loss.logvar", ""},
    });
}

TEST("names: diffusers' own, new and old") {
    check_table({
        {"unet.conv_in.weight", "unet.conv_in.weight"},
        {"vae.decoder.mid_block.attentions.0.to_q.weight", "vae.decoder.mid_block.attentions.0.to_q.weight"},
        {"vae.encoder.mid_block.attentions.0.query.weight", "vae.encoder.mid_block.attentions.0.to_q.weight"},
        {"vae.encoder.mid_block.attentions.0.proj_attn.bias", "vae.encoder.mid_block.attentions.0.to_out.0.bias"},
        {"unet.down_blocks.1.attentions.12.key.weight", "unet.down_blocks.1.attentions.12.to_k.weight"},
        {"unet.mid_block.attentions.0.value.bias", "unet.mid_block.attentions.0.to_v.bias"},
        {"unet.up_blocks.0.attentions.1.proj_attn.weight", "unet.up_blocks.0.attentions.1.to_out.0.weight"},
        {"unet.up_blocks.0.attentions.1.to_out.0.weight", "unet.up_blocks.0.attentions.1.to_out.0.weight"},
        {"unet.up_blocks.0.attentions.1.group_norm.bias", "unet.up_blocks.0.attentions.1.group_norm.bias"},
        {"unet.up_blocks.0.attentions.1.proj_out.bias", "unet.up_blocks.0.attentions.1.proj_out.bias"},
        {"text_encoder.text_model.final_layer_norm.bias", "text_encoder.text_model.final_layer_norm.bias"},
        {"text_encoder.final_layer_norm.weight", "text_encoder.text_model.final_layer_norm.weight"},
        {"text_encoder.text_model.embeddings.position_ids", ""},
    });
    check_table({{"encoder.down_blocks.0.resnets.0.conv1.weight", "vae.encoder.down_blocks.0.resnets.0.conv1.weight"}});
    check_table({{"down_blocks.0.resnets.0.conv1.weight", "unet.down_blocks.0.resnets.0.conv1.weight"}});
    check_table(
        {{"text_model.encoder.layers.0.mlp.fc1.weight", "text_encoder.text_model.encoder.layers.0.mlp.fc1.weight"}});
}

TEST("names: CLIP and OpenCLIP in a single file") {
    const std::string p = "cond_stage_model.", layer = "text_encoder.text_model.encoder.layers.7.";
    check_table({
        {p + "transformer.text_model.encoder.layers.7.mlp.fc1.weight", layer + "mlp.fc1.weight"},
        {p + "transformer.encoder.layers.7.mlp.fc1.bias", layer + "mlp.fc1.bias"},
        {p + "model.token_embedding.weight", "text_encoder.text_model.embeddings.token_embedding.weight"},
        {p + "model.positional_embedding", "text_encoder.text_model.embeddings.position_embedding.weight"},
        {p + "model.ln_final.weight", "text_encoder.text_model.final_layer_norm.weight"},
        {p + "model.transformer.resblocks.7.ln_1.weight", layer + "layer_norm1.weight"},
        {p + "model.transformer.resblocks.7.ln_2.bias", layer + "layer_norm2.bias"},
        {p + "model.transformer.resblocks.7.attn.out_proj.weight", layer + "self_attn.out_proj.weight"},
        {p + "model.transformer.resblocks.7.mlp.c_fc.weight", layer + "mlp.fc1.weight"},
        {p + "model.transformer.resblocks.7.mlp.c_proj.weight", layer + "mlp.fc2.weight"},
        {p + "model.text_projection", ""},
        {p + "model.logit_scale", ""},
    });
}

TEST("names: Stable Diffusion XL and its refiner in a single file") {
    const std::string p = "conditioner.embedders.", unet = "model.diffusion_model.";
    check_table({
        {p + "0.transformer.text_model.final_layer_norm.bias", "text_encoder.text_model.final_layer_norm.bias"},
        {p + "0.transformer.text_model.embeddings.position_ids", ""},
        {p + "1.model.ln_final.bias", "text_encoder_2.text_model.final_layer_norm.bias"},
        {p + "1.model.transformer.resblocks.31.mlp.c_fc.bias",
         "text_encoder_2.text_model.encoder.layers.31.mlp.fc1.bias"},
        {p + "1.model.text_projection", "text_encoder_2.text_projection.weight"},
        {p + "1.model.logit_scale", ""},
        {unet + "label_emb.0.0.weight", "unet.add_embedding.linear_1.weight"},
        {unet + "label_emb.0.2.bias", "unet.add_embedding.linear_2.bias"},
        {unet + "time_embed.cond_proj.weight", "unet.time_embedding.cond_proj.weight"},
    });
    check_table({{p + "0.model.positional_embedding", "text_encoder_2.text_model.embeddings.position_embedding.weight"},
                 {p + "0.model.text_projection", "text_encoder_2.text_projection.weight"}});
    check_table({{"text_encoder_2.text_projection.weight", "text_encoder_2.text_projection.weight"},
                 {"text_encoder_2.text_model.final_layer_norm.bias", "text_encoder_2.text_model.final_layer_norm.bias"},
                 {"text_encoder.text_projection.weight", ""}});
    check_table({{"cond_stage_model.1.transformer.text_model.text_projection", "text_encoder_2.text_projection.weight"},
                 {"cond_stage_model.transformer.text_model.encoder.layers.0.mlp.fc1.bias",
                  "text_encoder.text_model.encoder.layers.0.mlp.fc1.bias"}});
}

TEST("names: OpenCLIP's projection of the pooled text is transposed, quantised ones as f32") {
    const std::string name = "conditioner.embedders.1.model.text_projection";
    const std::vector<float> values = {1, 2, 3, 4, 5, 6};
    FileContents contents;
    contents.tensors[name] = {GGML_TYPE_F32, {3, 2}, reinterpret_cast<const std::byte*>(values.data()), 24, name};
    const auto turned = [&] { return with_canonical_names(contents, "test").tensors.begin()->second; };
    const TensorSource f32 = turned();
    const std::vector<float> expected = {1, 3, 5, 2, 4, 6};
    CHECK(f32.shape == std::vector<int64_t>({2, 3}) && f32.size == 24);
    CHECK(std::memcmp(f32.data, expected.data(), 24) == 0);

    const std::vector<float> row(64, 0.5f);
    std::vector<std::byte> blocks(ggml_row_size(GGML_TYPE_Q8_0, 64));
    ggml_quantize_chunk(GGML_TYPE_Q8_0, row.data(), blocks.data(), 0, 2, 32, nullptr);
    contents.tensors[name] = {GGML_TYPE_Q8_0, {2, 32}, blocks.data(), blocks.size(), name};
    const TensorSource quantised = turned();
    CHECK(quantised.type == GGML_TYPE_F32 && quantised.shape == std::vector<int64_t>({32, 2}));
    CHECK(quantised.size == 256 && std::abs(reinterpret_cast<const float*>(quantised.data)[63] - 0.5f) < 0.01f);

    contents.tensors[name] = {GGML_TYPE_F32, {6}, reinterpret_cast<const std::byte*>(values.data()), 24, name};
    CHECK(contains(THROWN("FILE_INVALID", with_canonical_names(contents, "test")), "expected a matrix"));
}

TEST("names: OpenCLIP's joined projection becomes three slices of the same bytes") {
    const std::vector<float> values = noise(6 * 2);
    const std::string name = "cond_stage_model.model.transformer.resblocks.0.attn.in_proj_weight";
    FileContents contents;
    contents.tensors[name] = {GGML_TYPE_F32, {6, 2}, reinterpret_cast<const std::byte*>(values.data()), 48, name};
    const FileContents renamed = with_canonical_names(contents, "test");
    const std::string layer = "text_encoder.text_model.encoder.layers.0.self_attn.";
    size_t part = 0;
    for (const char* projection : {"q_proj.weight", "k_proj.weight", "v_proj.weight"}) {
        const TensorSource& slice = renamed.tensors.at(layer + projection);
        CHECK(slice.shape == std::vector<int64_t>({2, 2}) && slice.size == 16);
        CHECK(slice.data == reinterpret_cast<const std::byte*>(values.data() + 4 * part++));
    }
    contents.tensors[name].shape = {4, 3};
    CHECK(contains(THROWN("FILE_INVALID", with_canonical_names(contents, "test")), "split into 3"));
    contents.tensors[name].shape = {};
    THROWN("FILE_INVALID", with_canonical_names(contents, "test"));
    contents.tensors[name].type = GGML_TYPE_Q8_0;
    contents.tensors[name].shape = {32 * 4};
    THROWN("FILE_INVALID", with_canonical_names(contents, "test"));
}

TEST("names: other architectures are refused by name") {
    const auto refused = [](const std::vector<std::string>& names) {
        return THROWN("UNKNOWN_ARCHITECTURE", with_canonical_names(contents_of(names), "test"));
    };
    CHECK(contains(refused({"double_blocks.0.img_attn.qkv.weight"}), "recognised as Flux"));
    CHECK(contains(refused({"double_blocks.0.img_attn.qkv.weight"}), "expected Stable Diffusion 1, "));
    CHECK(contains(refused({"model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight"}), "Stable Diffusion 3"));
    CHECK(contains(refused({"lora_unet_down_blocks_0.lora_up.weight"}), "LoRA"));
    const std::string message = refused({"layer.0.weight", "layer.1.weight", "layer.2.weight", "layer.3.weight"});
    CHECK(contains(message, "layer.0.weight") && contains(message, "got 4 tensors") &&
              contains(message, "first_stage_model."),
          message);
    CHECK(contains(refused({}), "got 0 tensors"));
}
