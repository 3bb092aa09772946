"""Writes the trained model as one file, BUILD/avatar.safetensors: f16, CompVis' tensor names, its configuration in the metadata.

python export.py [--build DIR]
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from avatar import Avatar
from diffusion import SCHEDULER_CONFIG
from models import LARGE_VAE_CONFIG, TEXT_CONFIG, UNET_CONFIG
from names import text_names, unet_names, vae_names

CONFIG_KEY = "node-diffusion.config"
MERGES_KEY = "node-diffusion.merges"
DEFAULTS = {"width": 128, "height": 128, "steps": 25, "cfgScale": 4, "sampler": "dpmpp_2m", "schedule": "trailing"}


def collect_tensors(avatar):
    """CompVis name -> f32 tensor; the VAE's attention projections become 1 x 1 convolutions, as in SD 1 files."""
    unet, vae, text = (module.state_dict() for module in (avatar.unet, avatar.vae, avatar.text_encoder))
    text = {name: tensor for name, tensor in text.items() if not name.endswith("position_ids")}
    tensors = {}
    for state, names in (
        (unet, unet_names(unet, UNET_CONFIG)), (vae, vae_names(vae, LARGE_VAE_CONFIG)), (text, text_names(text))
    ):
        tensors |= {names[name]: tensor.detach().cpu().float().contiguous() for name, tensor in state.items()}
    if len(tensors) != len(unet) + len(vae) + len(text):
        raise ValueError("two tensors were given one name")
    for name, tensor in tensors.items():
        if ".mid.attn_1." in name and tensor.ndim == 2:
            tensors[name] = tensor[:, :, None, None]
    return tensors


def describe(avatar):
    """The metadata: the configuration and the tokenizer's merges."""
    tokenizer = avatar.tokenizer
    config = {
        "format": 1,
        "name": "avatar",
        "unet": UNET_CONFIG,
        "vae": LARGE_VAE_CONFIG | {"scaling_factor": round(avatar.scaling_factor, 6)},
        "text_encoder": TEXT_CONFIG
        | {
            "vocab_size": len(tokenizer), "bos_token_id": tokenizer.start, "eos_token_id": tokenizer.end,
            "pad_token_id": tokenizer.end,
        },
        "scheduler": SCHEDULER_CONFIG,
        "defaults": DEFAULTS,
    }
    merges = "\n".join(" ".join(pair) for pair in tokenizer.ranks)
    return {CONFIG_KEY: json.dumps(config), MERGES_KEY: merges}


def write_safetensors(path, tensors, metadata):
    # contiguous_format: the training keeps convolution weights channels last in memory
    half = {name: tensor.half().contiguous(memory_format=torch.contiguous_format) for name, tensor in tensors.items()}
    save_file(half, path, metadata={"format": "pt", **metadata})
    path.chmod(0o644)


def main(args):
    avatar = Avatar(args.build)
    tensors = collect_tensors(avatar)
    file = args.build / "avatar.safetensors"
    write_safetensors(file, tensors, describe(avatar))
    print(f"{file.name}: {len(tensors)} tensors, {file.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default=Path(__file__).parent / "build", type=Path)
    main(parser.parse_args())
