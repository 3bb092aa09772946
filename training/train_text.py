"""Teaches the text encoder which word belongs to which: it must give back the attributes that a caption names.

python train_text.py [--build DIR] [--seconds S] [--start FILE] ...   writes DIR/text.pt. A stage of minutes: it does not resume.

The UNet alone teaches this slowly: in 30,000 pictures it learns that "red" was said, but not what is red.
"""

import argparse

import numpy as np
import torch
from torch import nn

from captions import Captions
from device import DEVICE, half_precision, to_device
from models import AttributeHeads, build_text_encoder
from optimizer import Optimizers
from progress import Budget, add_common_arguments, save_whole
from vocabulary import load_tokenizer
from workers import run_workers

BATCH = 32  # of each worker
MUON_RATE = 0.02
ADAM_RATE = 2e-3
WARM_UP_STEPS = 30


def train(worker, args):
    torch.manual_seed(args.seed)
    tokenizer = load_tokenizer(args.build)
    captions = Captions(args.build, tokenizer, args.pictures)
    text_encoder, heads = build_text_encoder(tokenizer), AttributeHeads(captions.classes)
    if args.start:
        text_encoder.load_state_dict(torch.load(args.start, map_location="cpu")["text_encoder"])
    both = nn.ModuleDict({"text_encoder": text_encoder, "heads": heads}).to(DEVICE)
    parameters = [p for p in both.parameters()]
    optimizers = Optimizers(
        both.named_parameters(), muon_lr=MUON_RATE, adam_lr=ADAM_RATE, weight_decay=0, adam_names=("embedding", "heads")
    )
    budget = Budget(args.seconds, args.steps)
    while (progress := worker.from_first(budget.progress())) < 1:
        random = np.random.default_rng((args.seed, budget.step, worker.rank))
        ids, labels = captions.draw(random.integers(len(captions), size=BATCH), random)
        ids = to_device(ids[:, : captions.length])
        with half_precision():
            loss, right = heads.loss(text_encoder(ids).last_hidden_state, to_device(labels))
        loss.backward()
        worker.average_gradients(parameters)
        optimizers.step(min(1, (budget.step + 1) / WARM_UP_STEPS) * (1 - progress) + 1e-3)
        budget.step += 1
        if worker.is_first and budget.step % 50 == 0:
            print(f"step {budget.step} {budget.elapsed():.0f} s loss {loss:.4f} read right {right:.3f}", flush=True)
    if worker.is_first:
        save_whole(args.build / "text.pt", {"text_encoder": text_encoder.state_dict(), "heads": heads.state_dict()})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    add_common_arguments(parser, seconds=300)
    parser.add_argument("--pictures", type=int, help="use the captions of the first pictures only")
    parser.add_argument("--start", help="a file with the weights of a text encoder to start from")
    parser.add_argument("--workers", default=2, type=int, help="processes of one thread; each adds a batch of 32")
    arguments = parser.parse_args()
    run_workers(train, arguments.workers, arguments)
