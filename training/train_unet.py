"""Trains the UNet and the text encoder together on the encoded pictures: velocity prediction, 10 % empty captions.

The text encoder starts from text.pt (train_text.py) and keeps that stage's task as a small second loss.

python train_unet.py [--build DIR] [--seconds S] ...   resumes where an earlier run stopped; writes DIR/unet.pt.
"""

import argparse

import numpy as np
import torch
from torch import nn

from avatar import PROMPTS, Avatar
from average import Average
from captions import Captions
from data import save_sheet
from device import DEVICE, half_precision, to_device
from diffusion import add_noise, alphas_cumprod
from models import AttributeHeads, build_text_encoder, build_unet, count_parameters
from optimizer import Optimizers, decaying_rate
from progress import Budget, Checkpoint, add_common_arguments, save_whole
from vocabulary import load_tokenizer
from workers import run_workers

BATCH = 16  # of each worker
MUON_RATE = 0.02
ADAM_RATE = 1e-3
WEIGHT_DECAY = 0.01
# Timesteps are drawn as 1000 u^TIMESTEP_POWER: the noisy ones, where the caption decides what is drawn, come more often.
TIMESTEP_POWER = 2 / 3
EMPTY_SHARE = 0.1
READING_WEIGHT = 0.1


def draw_batch(latents, captions, alphas, random):
    """Noisy latents, timesteps, token ids, attribute labels and velocities of one random batch."""
    rows = random.choice(len(latents), BATCH, replace=False)
    ids, labels = (to_device(part) for part in captions.draw(rows, random, EMPTY_SHARE))
    timesteps = to_device((len(alphas) * random.random(BATCH) ** TIMESTEP_POWER).astype(np.int64))
    clean = to_device(latents[rows].astype(np.float32))
    noise = to_device(random.standard_normal(clean.shape, np.float32))
    noisy, velocity = add_noise(clean, noise, alphas[timesteps])
    return noisy.contiguous(memory_format=torch.channels_last), timesteps, ids, labels, velocity


def report(build, unet_average, text_average):
    avatar = Avatar(build, unet_state=unet_average.state_dict(), text_state=text_average.state_dict())
    save_sheet(build / "unet.png", avatar.draw(PROMPTS), columns=4, zoom=2)


def train(worker, args):
    torch.manual_seed(args.seed)
    tokenizer = load_tokenizer(args.build)
    latents = np.load(args.build / "latents.npy")
    captions = Captions(args.build, tokenizer, len(latents))
    unet, text_encoder, heads = build_unet(), build_text_encoder(tokenizer), AttributeHeads(captions.classes)
    start = torch.load(args.build / "text.pt", map_location="cpu")
    text_encoder.load_state_dict(start["text_encoder"])
    heads.load_state_dict(start["heads"])
    everything = nn.ModuleDict({"unet": unet, "text_encoder": text_encoder, "heads": heads}).to(DEVICE)
    parameters = list(everything.parameters())
    optimizers = Optimizers(
        everything.named_parameters(), muon_lr=MUON_RATE, adam_lr=ADAM_RATE, weight_decay=WEIGHT_DECAY,
        adam_names=("conv_in", "conv_out", "embedding", "heads"),
    )
    averages = Average(unet), Average(text_encoder)
    budget, alphas = Budget(args.seconds, args.steps), alphas_cumprod().to(DEVICE)
    checkpoint = Checkpoint(
        args.build / "checkpoints" / "unet.pt", args.checkpoint_seconds, model=everything, unet_average=averages[0],
        text_average=averages[1], optimizers=optimizers, budget=budget,
    )
    checkpoint.restore()
    if worker.is_first:
        print(f"UNet {count_parameters(unet) / 1e6:.2f} M, text encoder {count_parameters(text_encoder) / 1e6:.2f} M "
              f"parameters, {len(latents)} pictures, step {budget.step}", flush=True)
    losses, saves = [], 0
    while (progress := worker.from_first(budget.progress())) < 1:
        # a generator for each step and worker: a resumed training goes on exactly as an unbroken one
        random = np.random.default_rng((args.seed, budget.step, worker.rank))
        noisy, timesteps, ids, labels, velocity = draw_batch(latents, captions, alphas, random)
        with half_precision():
            context = text_encoder(ids).last_hidden_state
            predicted = unet(noisy, timesteps, context).sample
            reading, _ = heads.loss(context[:, : captions.length], labels)
        loss = nn.functional.mse_loss(predicted.float(), velocity)
        (loss + READING_WEIGHT * reading).backward()
        worker.average_gradients(parameters)
        optimizers.step(decaying_rate(budget.step, progress))
        budget.step += 1
        for average in averages:
            average.update(budget.step)
        losses.append((loss.item(), reading.item()))
        if not worker.is_first:
            continue
        if budget.step % 50 == 0:
            speed = budget.step * BATCH * worker.count / budget.elapsed()
            means = np.mean(losses[-50:], 0)
            print(f"step {budget.step} {budget.elapsed():.0f} s {speed:.1f} samples/s "
                  f"loss {means[0]:.4f} reading {means[1]:.4f}", flush=True)
        if checkpoint.due():
            checkpoint.save()
            saves += 1
            if saves % args.sheet_every == 0:
                report(args.build, *averages)
    if worker.is_first:
        checkpoint.save()
        save_whole(args.build / "unet.pt", {"unet": averages[0].state_dict(), "text_encoder": averages[1].state_dict()})
        report(args.build, *averages)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    add_common_arguments(parser, seconds=7200)
    parser.add_argument("--workers", default=2, type=int, help="processes of one thread; each adds a batch of 16")
    parser.add_argument("--sheet-every", default=4, type=int, help="draw the sample sheet at every n-th checkpoint")
    arguments = parser.parse_args()
    run_workers(train, arguments.workers, arguments)
