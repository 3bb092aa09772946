"""Grows the autoencoder by one level: pixels [N, 3, 128, 128] <-> the latents that the 64 x 64 one has.

python grow_vae.py [--build DIR] [--seconds S] ...   resumes where an earlier run stopped; writes DIR/vae-128.pt.

The latents stay (latents.npy), so the UNet needs no other training. The encoder needs none either: its new level gives the old
one what it would see of the picture at half the size. The decoder learns to draw the avatar in 128 x 128.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import nn

from data import LARGE, PictureSet
from device import DEVICE, half_precision, to_device
from encode_latents import load_vae
from models import LARGE_VAE_CONFIG, build_vae, count_parameters, zero_branches
from optimizer import Optimizers
from progress import Budget, Checkpoint, add_common_arguments, save_whole, seeded
from train_vae import learning_rate_factor, pixel_weights, reconstruction_loss, report

BATCH = 4
# Muon's and AdamW's rates of the new level and, lower, of those that know their work.
NEW_RATES = (0.01, 2e-3)
OLD_RATES = (0.001, 2e-4)
# A UNet's latents are not exact: the decoder sees noise of a deviation up to this share of the latents' own.
NOISE = 0.15


@torch.no_grad()
def grow(small):
    """The large autoencoder, its inner levels taken from `small`."""
    large = build_vae(LARGE_VAE_CONFIG)
    # The encoder counts its levels from the pixels, the decoder towards them.
    levels = range(len(small.encoder.down_blocks))
    renamed = {f"encoder.down_blocks.{i}.": f"encoder.down_blocks.{i + 1}." for i in levels}
    state = {}
    for name, tensor in small.state_dict().items():
        old = next((prefix for prefix in renamed if name.startswith(prefix)), "")
        state[renamed.get(old, "") + name.removeprefix(old)] = tensor
    _, unexpected = large.load_state_dict(state, strict=False)
    if unexpected:
        raise ValueError(f"the autoencoders do not fit: {unexpected}")
    for block in (large.encoder.down_blocks[0], large.decoder.up_blocks[-1]):
        zero_branches(block, (".conv2",))
    halve(large.encoder.conv_in, large.encoder.down_blocks[0].downsamplers[0].conv, small.encoder.conv_in)
    repeat(large.decoder.up_blocks[-2].upsamplers[0].conv)
    return large


def halve(first, second, original):
    """Makes two convolutions do what `original` does to the picture at half the size.

    `first` gathers, in each direction, the mean of a pixel and the next one, or the pixel before: `second`, which takes every
    second place, finds in them the halved picture's own pixel and the next one, and of the one before its nearer half.
    """
    gathered = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.5, 0.5]])  # before, pair
    places = ((0, 0), (1, 0), (1, 2))  # of each tap of `original`: which of the two, and where `second` finds it
    colors = original.in_channels
    for layer in (first, second):
        nn.init.zeros_(layer.bias)
    nn.init.zeros_(second.weight)
    second.bias.copy_(original.bias)
    # channels of `first`: 2 ways vertically x 2 horizontally x colours
    gathering = torch.zeros(2, 2, colors, colors, 3, 3)
    for color in range(colors):
        gathering[:, :, color, color] = torch.einsum("ai,bj->abij", gathered, gathered)
    first.weight[: 4 * colors] = gathering.flatten(0, 2)
    finding = second.weight[:, : 4 * colors].unflatten(1, (2, 2, colors))
    for u, (vertical, row) in enumerate(places):
        for v, (horizontal, column) in enumerate(places):
            finding[:, vertical, horizontal, :, row, column] = original.weight[:, :, u, v]


def repeat(layer):
    """Makes a convolution pass on what it gets."""
    nn.init.dirac_(layer.weight)
    nn.init.zeros_(layer.bias)


def load_large_vae(build):
    """The trained VAE, ready for use, and its scaling factor."""
    state = torch.load(Path(build) / "vae-128.pt", map_location="cpu")
    vae = build_vae(LARGE_VAE_CONFIG)
    vae.load_state_dict(state["model"])
    return vae.to(DEVICE).eval().requires_grad_(False), state["scaling_factor"]


def build_optimizers(vae):
    """Of the decoder's new level, and of its others."""
    new = ("decoder.up_blocks.2.upsamplers", "decoder.up_blocks.3", "decoder.conv_norm_out", "decoder.conv_out")
    named = [(name, p) for name, p in vae.named_parameters() if name.startswith(("decoder.", "post_quant_conv."))]
    return tuple(
        Optimizers(
            [(name, p) for name, p in named if name.startswith(new) == is_new], muon_lr=muon, adam_lr=adam, weight_decay=0,
            adam_names=("conv_in", "conv_out", "quant_conv"),
        )
        for is_new, (muon, adam) in ((True, NEW_RATES), (False, OLD_RATES))
    )


def decode_noisy(vae, latents, deviation):
    """f32 pixels of latents with noise of the deviation [N, 1, 1, 1] added."""
    with half_precision():
        return vae.decoder(vae.post_quant_conv(latents + deviation * torch.randn_like(latents))).float()


def train(args):
    torch.set_num_threads(args.threads)
    random = seeded(args.seed)
    pictures, latents = PictureSet(args.build, "train", LARGE), np.load(args.build / "latents.npy", mmap_mode="r")
    held_out = PictureSet(args.build, "holdout", LARGE).batch(slice(64))
    small, scaling_factor = load_vae(args.build)
    vae = grow(small.cpu()).to(DEVICE)
    vae.encoder.requires_grad_(False)
    vae.quant_conv.requires_grad_(False)
    new, old = build_optimizers(vae)
    budget, weights = Budget(args.seconds, args.steps), pixel_weights(LARGE).to(DEVICE)
    checkpoint = Checkpoint(
        args.build / "checkpoints" / "vae-128.pt", args.checkpoint_seconds, model=vae, new=new, old=old, budget=budget
    )
    resumed = checkpoint.restore(random)
    print(f"VAE: {count_parameters(vae) / 1e6:.2f} M parameters, {'resumed at' if resumed else 'from'} step {budget.step}")
    report(vae, held_out, args.build, "vae-128")
    while budget.progress() < 1:
        rows = random.choice(min(len(pictures), len(latents)), BATCH, replace=False)
        pixels, clean = pictures.batch(rows), to_device(latents[rows].astype(np.float32) / scaling_factor)
        deviation = NOISE / scaling_factor * torch.rand(BATCH, 1, 1, 1, device=DEVICE)
        loss = reconstruction_loss(decode_noisy(vae, clean, deviation) - pixels, weights)
        loss.backward()
        for optimizers in (new, old):
            optimizers.step(learning_rate_factor(budget))
        budget.step += 1
        if budget.step % 50 == 0:
            speed = budget.step * BATCH / budget.elapsed()
            print(f"step {budget.step} {budget.elapsed():.0f} s {speed:.1f} images/s loss {loss:.4f}", flush=True)
        if checkpoint.due():
            checkpoint.save(random)
            report(vae, held_out, args.build, "vae-128")
    checkpoint.save(random)
    report(vae, held_out, args.build, "vae-128")
    save_whole(args.build / "vae-128.pt", {"model": vae.state_dict(), "scaling_factor": scaling_factor})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    add_common_arguments(parser, seconds=3600)
    parser.add_argument("--threads", default=1, type=int)
    train(parser.parse_args())
