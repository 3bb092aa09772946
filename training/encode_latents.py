"""Encodes the training pictures with the trained VAE: DIR/latents.npy, f16 [N, 4, 16, 16], scaled to unit deviation.

python encode_latents.py [--build DIR] [--pictures N]
"""

import argparse
import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from data import PictureSet
from device import DEVICE, half_precision
from models import build_vae

BATCH = 64


def load_vae(build):
    """The trained VAE, ready for use, and its scaling factor."""
    state = torch.load(Path(build) / "vae.pt", map_location="cpu")
    vae = build_vae()
    vae.load_state_dict(state["model"])
    return vae.to(DEVICE).eval().requires_grad_(False), state["scaling_factor"]


@torch.no_grad()
def encode(build, start, stop):
    """f16 [stop - start, 4, 16, 16], in one thread."""
    torch.set_num_threads(1)
    pictures = PictureSet(build, "train")
    vae, scaling_factor = load_vae(build)
    parts = []
    for first in range(start, stop, BATCH):
        with half_precision():
            mean = vae.encode(pictures.batch(slice(first, min(first + BATCH, stop)))).latent_dist.mean
        parts.append((mean.float() * scaling_factor).half().cpu().numpy())
    return np.concatenate(parts)


def main(args):
    count = min(args.pictures, len(PictureSet(args.build, "train")))
    borders = [count * i // args.workers for i in range(args.workers + 1)]
    with ProcessPoolExecutor(args.workers, mp_context=get_context("spawn")) as pool:
        parts = list(pool.map(encode, [args.build] * args.workers, borders[:-1], borders[1:]))
    latents = np.concatenate(parts)
    temporary = args.build / "latents.tmp.npy"
    np.save(temporary, latents)
    os.replace(temporary, args.build / "latents.npy")
    wide = latents.astype(np.float32)
    print(f"{count} latents, deviation {wide.std():.3f}, channel means {wide.mean((0, 2, 3)).round(2)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default=Path(__file__).parent / "build", type=Path)
    parser.add_argument("--pictures", default=80000, type=int)
    parser.add_argument("--workers", default=2, type=int)
    main(parser.parse_args())
