"""Writes the trained DDPM as BUILD/ddpm.safetensors: f16, diffusers' tensor names, its configuration in the metadata.

python export_ddpm.py [--build DIR]
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
    file = args.build / "ddpm.safetensors"
    write_safetensors(file, tensors, {CONFIG_KEY: json.dumps(describe())})
    print(f"{file.name}: {len(tensors)} tensors, {file.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default=Path(__file__).parent / "build", type=Path)
    main(parser.parse_args())
