"""Writes the trained DDPM as assets/ddpm.safetensors: f16, diffusers' tensor names, its configuration in the metadata.

python export_ddpm.py [--build DIR] [--out DIR]
"""

import argparse
import json
from pathlib import Path

import torch

from export import CONFIG_KEY, write_safetensors
from models import DDPM_CONFIG
from train_ddpm import SCHEDULER_CONFIG

SIZE = DDPM_CONFIG["sample_size"]
DEFAULTS = {"width": SIZE, "height": SIZE, "steps": 100, "sampler": "ddpm"}


def describe():
    return {
        "format": 1,
        "name": "avatar-ddpm",
        "unet": {"_class_name": "UNet2DModel", **DDPM_CONFIG},
        "scheduler": {"_class_name": "DDPMScheduler", **SCHEDULER_CONFIG},
        "defaults": DEFAULTS,
    }


def main(args):
    tensors = torch.load(args.build / "ddpm.pt", map_location="cpu")["unet"]
    args.out.mkdir(parents=True, exist_ok=True)
    file = args.out / "ddpm.safetensors"
    write_safetensors(file, tensors, {CONFIG_KEY: json.dumps(describe())})
    print(f"{file.name}: {len(tensors)} tensors, {file.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    here = Path(__file__).parent
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default=here / "build", type=Path)
    parser.add_argument("--out", default=here.parent / "assets", type=Path)
    main(parser.parse_args())
