"""Trains the autoencoder: pixels [N, 3, 64, 64] <-> latents [N, 4, 16, 16].

python train_vae.py [--build DIR] [--seconds S] ...   resumes where an earlier run stopped; writes DIR/vae.pt.
"""

import argparse
import math

import torch

from data import SIZE, PictureSet, save_sheet, to_pixels
from device import DEVICE, half_precision
from models import build_vae, count_parameters
from optimizer import Optimizers
from progress import Budget, Checkpoint, Threads, add_common_arguments, save_whole, seeded

BATCH = 8
MUON_RATE = 0.02
ADAM_RATE = 2e-3
KL_WEIGHT = 2e-5
WARM_UP_STEPS = 100
# Eyes, mouth, glasses and beard cover few pixels but carry three attributes; the geometry of the pictures is fixed.
FACE = (slice(16, 50), slice(14, 50))
FACE_WEIGHT = 4.0


def face(size):
    """Rows and columns of the face in pictures [size, size]."""
    return tuple(slice(part.start * size // SIZE, part.stop * size // SIZE) for part in FACE)


def pixel_weights(size=SIZE):
    """f32 [size, size] with mean 1: the face counts FACE_WEIGHT times as much as the rest."""
    weights = torch.ones(size, size)
    weights[face(size)] = FACE_WEIGHT
    return weights / weights.mean()


def reconstruct(vae, pixels):
    """Reconstruction from a sampled latent, with the mean and log-variance of the posterior, all f32."""
    with half_precision():
        mean, log_variance = vae.quant_conv(vae.encoder(pixels)).float().chunk(2, 1)
        log_variance = log_variance.clamp(-30, 20)
        latents = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        return vae.decoder(vae.post_quant_conv(latents)).float(), mean, log_variance


def reconstruction_loss(difference, weights):
    """Weighted L1 + MSE + half the L1 of horizontal and vertical differences. `difference`: f32 [N, 3, H, W]."""
    vertical = difference[:, :, 1:] - difference[:, :, :-1]
    horizontal = difference[..., 1:] - difference[..., :-1]
    return (
        (weights * difference.abs()).mean()
        + (weights * difference.square()).mean()
        + 0.5 * (weights[1:] * vertical.abs()).mean()
        + 0.5 * (weights[:, 1:] * horizontal.abs()).mean()
    )


def learning_rate_factor(budget):
    """Linear warm-up, then half a cosine."""
    warm_up = min(1, (budget.step + 1) / WARM_UP_STEPS)
    return warm_up * (0.5 + 0.5 * math.cos(math.pi * min(1, budget.progress()))) + 0.002


@torch.no_grad()
def evaluate(vae, pixels):
    """PSNR in dB over all pixels and over the face, the reconstructions, and the latents of `pixels` (posterior means)."""
    latents = vae.encode(pixels).latent_dist.mean
    result = vae.decode(latents).sample.clamp(-1, 1)
    error = ((result - pixels) / 2).square()
    rows, columns = face(pixels.shape[-1])
    psnr = [-10 * part.mean().log10().item() for part in (error, error[:, :, rows, columns])]
    return psnr, result, latents


def report(vae, held_out, folder, name):
    psnr, result, latents = evaluate(vae, held_out)
    save_sheet(folder / f"{name}.png", to_pixels(torch.stack([held_out[:16], result[:16]], 1).flatten(0, 1)))
    print(f"  held out: {psnr[0]:.2f} dB, face {psnr[1]:.2f} dB, latent std {latents.std():.3f}", flush=True)
    return latents


def train(args):
    threads = Threads(args.threads)
    random = seeded(args.seed)
    pictures, held_out = PictureSet(args.build, "train"), PictureSet(args.build, "holdout").batch(slice(256))
    vae = build_vae().to(DEVICE)
    optimizers = Optimizers(
        vae.named_parameters(), muon_lr=MUON_RATE, adam_lr=ADAM_RATE, weight_decay=0,
        adam_names=("conv_in", "conv_out", "quant_conv"),
    )
    budget, weights = Budget(args.seconds, args.steps), pixel_weights().to(DEVICE)
    checkpoint = Checkpoint(
        args.build / "checkpoints" / "vae.pt", args.checkpoint_seconds, model=vae, optimizers=optimizers, budget=budget
    )
    resumed = checkpoint.restore(random)
    print(f"VAE: {count_parameters(vae) / 1e6:.2f} M parameters, {'resumed at' if resumed else 'from'} step {budget.step}")
    while budget.progress() < 1:
        pixels = pictures.batch(random.choice(len(pictures), BATCH, replace=False))
        result, mean, log_variance = reconstruct(vae, pixels)
        reconstruction = reconstruction_loss(result - pixels, weights)
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean()
        (reconstruction + KL_WEIGHT * divergence).backward()
        optimizers.step(learning_rate_factor(budget))
        budget.step += 1
        threads.stepped()
        if budget.step % 50 == 0:
            speed = budget.step * BATCH / budget.elapsed()
            print(
                f"step {budget.step} {budget.elapsed():.0f} s {speed:.1f} images/s ({threads.count} threads) "
                f"loss {reconstruction:.4f} KL {divergence:.2f}", flush=True
            )
        if checkpoint.due():
            checkpoint.save(random)
            report(vae, held_out, args.build, "vae")
    checkpoint.save(random)
    latents = report(vae, held_out, args.build, "vae")
    save_whole(args.build / "vae.pt", {"model": vae.state_dict(), "scaling_factor": 1 / latents.std().item()})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    add_common_arguments(parser, seconds=3600)
    parser.add_argument("--threads", default=0, type=int, help="0: one or two, whichever is faster at the moment")
    train(parser.parse_args())
