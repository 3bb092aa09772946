"""Trains the small DDPM (Ho et al. 2020): a UNet that tells the noise in pixels [N, 3, 32, 32], without any caption.

python train_ddpm.py [--build DIR] [--seconds S] ...   resumes where an earlier run stopped; writes DIR/ddpm.pt, ddpm.png.
"""

import argparse

import numpy as np
import torch
from diffusers import DDIMScheduler

from average import Average
from data import PictureSet, save_sheet, shrink, to_pixels, to_tensor
from device import DEVICE, half_precision, to_device
from models import DDPM_CONFIG, build_ddpm, count_parameters
from optimizer import Optimizers, decaying_rate
from progress import Budget, Checkpoint, add_common_arguments, save_whole

SIZE = DDPM_CONFIG["sample_size"]
BATCH = 16
MUON_RATE = 0.02
ADAM_RATE = 1e-3
WEIGHT_DECAY = 0.01
# As in train_unet.py: 1000 u^TIMESTEP_POWER.
TIMESTEP_POWER = 2 / 3
# The loss of the noise is weighted as that of the velocity would be, 1 / alphas_cumprod, up to this: where there is little
# but noise, a small error in it is a large one in the picture.
GREATEST_WEIGHT = 10

SCHEDULER_CONFIG = {
    "num_train_timesteps": 1000,
    "beta_start": 1e-4,
    "beta_end": 0.02,
    "beta_schedule": "linear",
    "prediction_type": "epsilon",
    "clip_sample": True,
    "clip_sample_range": 1.0,
}


@torch.no_grad()
def draw(unet, count, *, steps=50, seed=1):
    """uint8 [count, 32, 32, 3], by DDIM without added noise (Song et al. 2021)."""
    scheduler = DDIMScheduler(**SCHEDULER_CONFIG, set_alpha_to_one=False)
    scheduler.set_timesteps(steps)
    x = torch.randn(count, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(seed)).to(DEVICE)
    for timestep in scheduler.timesteps:
        with half_precision():
            noise = unet(x.contiguous(memory_format=torch.channels_last), timestep).sample.float()
        x = scheduler.step(noise, timestep, x).prev_sample
    return to_pixels(x)


def report(build, average):
    unet = build_ddpm().to(DEVICE)
    unet.load_state_dict(average.state_dict())
    save_sheet(build / "ddpm.png", draw(unet.eval(), 32), columns=8, zoom=4, gap=2)


def train(args):
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    pictures, unet = PictureSet(args.build, "train"), build_ddpm().to(DEVICE)
    optimizers = Optimizers(
        unet.named_parameters(), muon_lr=MUON_RATE, adam_lr=ADAM_RATE, weight_decay=WEIGHT_DECAY,
        adam_names=("conv_in", "conv_out"),
    )
    average, budget = Average(unet), Budget(args.seconds, args.steps)
    alphas = DDIMScheduler(**SCHEDULER_CONFIG).alphas_cumprod.to(DEVICE)
    checkpoint = Checkpoint(
        args.build / "checkpoints" / "ddpm.pt", args.checkpoint_seconds, model=unet, average=average,
        optimizers=optimizers, budget=budget,
    )
    checkpoint.restore()
    print(f"DDPM: {count_parameters(unet) / 1e6:.2f} M parameters, from step {budget.step}", flush=True)
    losses, saves = [], 0
    while (progress := budget.progress()) < 1:
        # a generator for each step: a resumed training goes on exactly as an unbroken one
        random = np.random.default_rng((args.seed, budget.step))
        clean = to_tensor(shrink(pictures.pixels[random.integers(len(pictures), size=BATCH)], SIZE))
        noise = to_device(random.standard_normal(clean.shape, np.float32))
        timesteps = to_device((len(alphas) * random.random(BATCH) ** TIMESTEP_POWER).astype(np.int64))
        alpha = alphas[timesteps].view(-1, 1, 1, 1)
        noisy = (alpha.sqrt() * clean + (1 - alpha).sqrt() * noise).contiguous(memory_format=torch.channels_last)
        with half_precision():
            predicted = unet(noisy, timesteps).sample.float()
        error = (predicted - noise).square().mean((1, 2, 3))
        loss = (error * (1 / alpha.flatten()).clamp(max=GREATEST_WEIGHT)).mean()
        loss.backward()
        optimizers.step(decaying_rate(budget.step, progress))
        budget.step += 1
        average.update(budget.step)
        losses.append((loss.item(), error.mean().item()))
        if budget.step % 50 == 0:
            speed = budget.step * BATCH / budget.elapsed()
            means = np.mean(losses[-50:], 0)
            print(f"step {budget.step} {budget.elapsed():.0f} s {speed:.1f} samples/s "
                  f"loss {means[0]:.4f} noise {means[1]:.4f}", flush=True)
        if checkpoint.due():
            checkpoint.save()
            saves += 1
            if saves % args.sheet_every == 0:
                report(args.build, average)
    checkpoint.save()
    save_whole(args.build / "ddpm.pt", {"unet": average.state_dict()})
    report(args.build, average)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    add_common_arguments(parser, seconds=4800)
    parser.add_argument("--threads", default=1, type=int)
    parser.add_argument("--sheet-every", default=4, type=int, help="draw the sample sheet at every n-th checkpoint")
    train(parser.parse_args())
