"""Tensor names of single-file Stable Diffusion 1 checkpoints (CompVis) for the names of diffusers and transformers."""

import re

RESNET = {
    "norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0", "conv2": "out_layers.3", "conv_shortcut": "skip_connection",
}
UNET_ENDS = {
    "conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2",
    "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2",
}
VAE_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}


def unet_names(state, config):
    """diffusers' name -> CompVis name, for a UNet whose blocks all have attention."""
    return {name: "model.diffusion_model." + _unet_name(name, config["layers_per_block"]) for name in state}


def _unet_name(name, layers):
    stem, _, kind = name.rpartition(".")
    if stem in UNET_ENDS:
        return f"{UNET_ENDS[stem]}.{kind}"
    match = re.fullmatch(r"(down_blocks\.\d+|mid_block|up_blocks\.\d+)\.(resnets|attentions|\w+samplers)\.(\d+)\.(.+)", name)
    block, part, index, rest = match[1], match[2], int(match[3]), match[4]
    if part == "resnets":
        inner, _, kind = rest.rpartition(".")
        rest = f"{RESNET[inner]}.{kind}"
    if block == "mid_block":
        return f"middle_block.{2 * index if part == 'resnets' else 1}.{rest}"
    side, level = block.split(".")
    level = int(level)
    if side == "down_blocks":
        # input block 0 is conv_in; a level has its layers and then a downsampler
        first = 1 + level * (layers + 1)
        if part == "downsamplers":
            return f"input_blocks.{first + layers}.0.op.{rest.removeprefix('conv.')}"
        return f"input_blocks.{first + index}.{0 if part == 'resnets' else 1}.{rest}"
    # the upsampler shares an output block with the level's last layer
    first = level * (layers + 1)
    if part == "upsamplers":
        return f"output_blocks.{first + layers}.2.{rest}"
    return f"output_blocks.{first + index}.{0 if part == 'resnets' else 1}.{rest}"


def vae_names(state, config):
    """diffusers' name -> CompVis name. The decoder's levels are counted from the smallest picture there, here from the largest."""
    last = len(config["block_out_channels"]) - 1
    return {name: "first_stage_model." + _vae_name(name, last) for name in state}


def _vae_name(name, last):
    name = re.sub(r"up_blocks\.(\d+)", lambda match: f"up.{last - int(match[1])}", name)
    name = name.replace("down_blocks", "down")
    name = re.sub(r"mid_block\.resnets\.(\d)", lambda match: f"mid.block_{int(match[1]) + 1}", name)
    name = re.sub(
        r"mid_block\.attentions\.0\.(.+)\.(\w+)", lambda match: f"mid.attn_1.{VAE_ATTENTION[match[1]]}.{match[2]}", name
    )
    name = re.sub(r"resnets\.(\d+)", r"block.\1", name)
    name = re.sub(r"(down|up)samplers\.0", r"\1sample", name)
    return name.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")


def text_names(state):
    """transformers' name -> CompVis name, with and without transformers' own leading `text_model`."""
    return {name: "cond_stage_model.transformer.text_model." + name.removeprefix("text_model.") for name in state}
