// Names of LoRA files: which layer and which role, and CompVis' names of a UNet with two layers a block.
#include "native/weights/lora_names.h"

#include "native/test/weights/model_files.h"

using namespace nd::test;
using namespace nd::weights;

TEST("lora names: a layer and a role") {
    struct Case {
        const char *name, *layer, *role;
    };
    const Case cases[] = {
        {"lora_unet_mid_block_attentions_0_proj_in.lora_down.weight", "unet_mid_block_attentions_0_proj_in", "down"},
        {"lora_te_text_model_encoder_layers_0_mlp_fc1.alpha", "text_encoder_text_model_encoder_layers_0_mlp_fc1",
         "alpha"},
        {"lora_te1_text_model_encoder_layers_0_mlp_fc1.lora_up.weight",
         "text_encoder_text_model_encoder_layers_0_mlp_fc1", "up"},
        {"lora_te2_text_model_encoder_layers_0_mlp_fc1.lora_up.weight",
         "text_encoder_2_text_model_encoder_layers_0_mlp_fc1", "up"},
        {"text_encoder_2.text_model.encoder.layers.3.mlp.fc2.lora_B.weight",
         "text_encoder_2_text_model_encoder_layers_3_mlp_fc2", "up"},
        {"unet.down_blocks.0.attentions.1.transformer_blocks.0.attn1.processor.to_out_lora.down.weight",
         "unet_down_blocks_0_attentions_1_transformer_blocks_0_attn1_to_out_0", "down"},
        {"down_blocks.0.attentions.1.transformer_blocks.0.attn1.to_q.lora_A.weight",
         "unet_down_blocks_0_attentions_1_transformer_blocks_0_attn1_to_q", "down"},
        {"lora_unet_out_0.w_norm", "unet_out_0", "w_norm"},
        {"lora_unet_conv_in.lokr_w2_b", "unet_conv_in", "lokr_w2_b"},
    };
    for (const Case& c : cases) {
        const auto parsed = parse_lora_name(c.name, "file");
        CHECK(parsed && parsed->layer == c.layer && parsed->role == c.role, c.name, ": ",
              parsed ? parsed->layer + " " + parsed->role : "none");
    }
    for (const char* name : {"", "alpha", ".alpha", "model.diffusion_model.out.0.weight", "other.lora_A.weight"})
        CHECK(!parse_lora_name(name, "file"), name);
    CHECK(contains(THROWN("UNKNOWN_ARCHITECTURE", parse_lora_name("lora_unet_a.dora_scale", "file")), "DoRA"));
    CHECK(contains(THROWN("UNKNOWN_ARCHITECTURE", parse_lora_name("lora_unet_a.oft_blocks", "file")), "OFT"));
}

TEST("lora names: the keys of a model's layers") {
    const auto keys = lora_keys({
        "unet.conv_in.weight",
        "unet.conv_in.bias",
        "unet.down_blocks.0.resnets.0.conv1.weight",
        "unet.down_blocks.0.resnets.1.conv1.weight",
        "unet.down_blocks.0.downsamplers.0.conv.weight",
        "unet.down_blocks.1.attentions.1.transformer_blocks.0.attn2.to_k.weight",
        "unet.mid_block.resnets.1.time_emb_proj.weight",
        "unet.mid_block.attentions.0.proj_out.weight",
        "unet.up_blocks.1.attentions.2.transformer_blocks.0.ff.net.0.proj.weight",
        "unet.up_blocks.2.upsamplers.0.conv.weight",
        "text_encoder_2.text_model.encoder.layers.0.mlp.fc1.weight",
        "vae.encoder.conv_in.weight",
    });
    const std::pair<const char*, const char*> cases[] = {
        {"unet_conv_in", "unet.conv_in"},
        {"unet_input_blocks_0_0", "unet.conv_in"},
        {"unet_input_blocks_2_0_in_layers_2", "unet.down_blocks.0.resnets.1.conv1"},
        {"unet_input_blocks_3_0_op", "unet.down_blocks.0.downsamplers.0.conv"},
        {"unet_input_blocks_5_1_transformer_blocks_0_attn2_to_k",
         "unet.down_blocks.1.attentions.1.transformer_blocks.0.attn2.to_k"},
        {"unet_middle_block_2_emb_layers_1", "unet.mid_block.resnets.1.time_emb_proj"},
        {"unet_middle_block_1_proj_out", "unet.mid_block.attentions.0.proj_out"},
        {"unet_output_blocks_5_1_transformer_blocks_0_ff_net_0_proj",
         "unet.up_blocks.1.attentions.2.transformer_blocks.0.ff.net.0.proj"},
        {"unet_output_blocks_8_2_conv", "unet.up_blocks.2.upsamplers.0.conv"},
        {"text_encoder_2_text_model_encoder_layers_0_mlp_fc1", "text_encoder_2.text_model.encoder.layers.0.mlp.fc1"},
    };
    for (const auto& [key, layer] : cases) {
        const auto found = keys.find(key);
        CHECK(found != keys.end() && found->second == layer, key);
    }
    CHECK(!keys.contains("vae_encoder_conv_in"));
}
