"""Scores the model: how often the attributes that a caption names are seen in the avatar drawn from it.

python score.py [--build DIR] [--set holdout|withheld] [--count N] ...   prints a table, writes DIR/score-SET.{json,png}.

Columns: `render` is the probes' own accuracy on the true picture, `vae` on its reconstruction, `model` on the avatar drawn
from the caption, `shuffled` on the avatar drawn from another caption (what chance gives).
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from avatar import Avatar
from data import PictureSet, save_sheet, to_pixels
from probes import Reader

BATCH = 32


@torch.no_grad()
def reconstruct(avatar, pictures, count):
    parts = []
    for start in range(0, count, BATCH):
        latents = avatar.vae.encode(pictures.batch(slice(start, min(start + BATCH, count)))).latent_dist.mean
        parts.append(to_pixels(avatar.vae.decode(latents).sample))
    return np.concatenate(parts)


def draw(avatar, texts, options):
    """Avatars of all texts; batch i starts from the noise of seed i."""
    batches = [texts[start : start + BATCH] for start in range(0, len(texts), BATCH)]
    return np.concatenate([avatar.draw(batch, seed=i, **options) for i, batch in enumerate(batches)])


def accuracy(reader, pixels, records, shift=0):
    """Attribute -> (share right, number scored), over the attributes that each caption names.

    `shift`: picture i is judged by the caption of picture i + shift.
    """
    records = records[shift:] + records[:shift]
    named = [record["captions"][0]["names"] for record in records]
    seen = reader.read(pixels, [r["top"] if "top" in names else None for r, names in zip(records, named)])
    result = {}
    for attribute, values in seen.items():
        right = [value == r[attribute] for value, r, names in zip(values, records, named) if attribute in names]
        result[attribute] = (float(np.mean(right)) if right else float("nan"), len(right))
    return result


def main(args):
    torch.set_num_threads(args.threads)
    options = {"steps": args.steps, "cfg_scale": args.cfg_scale, "schedule_name": args.schedule}
    avatar, reader = Avatar(args.build), Reader(args.build)
    pictures = PictureSet(args.build, args.set)
    records = pictures.records[: args.count]
    drawn = draw(avatar, [record["captions"][0]["text"] for record in records], options)
    columns = {
        "render": accuracy(reader, np.array(pictures.pixels[: args.count]), records),
        "vae": accuracy(reader, reconstruct(avatar, pictures, args.count), records),
        "model": accuracy(reader, drawn, records),
        "shuffled": accuracy(reader, drawn, records, shift=1),
    }
    print(f"{args.set}, {args.count} captions, {options}")
    print(f"{'':14}" + "".join(f"{name:>10}" for name in columns) + f"{'named':>10}")
    for attribute in columns["render"]:
        cells = "".join(f"{column[attribute][0]:10.3f}" for column in columns.values())
        print(f"{attribute:14}{cells}{columns['model'][attribute][1]:10}")
    means = {name: weighted_mean(column) for name, column in columns.items()}
    print(f"{'all':14}" + "".join(f"{mean:10.3f}" for mean in means.values()))
    result = {"set": args.set, "count": args.count, "options": options, "columns": columns, "means": means}
    (args.build / f"score-{args.set}.json").write_text(json.dumps(result, indent=2), encoding="utf-8")
    save_sheet(args.build / f"score-{args.set}.png", drawn[:40], columns=10)


def weighted_mean(column):
    return sum(share * count for share, count in column.values() if count) / sum(count for _, count in column.values())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=Path(__file__).parent / "build", type=Path)
    parser.add_argument("--set", default="holdout", choices=["holdout", "withheld"])
    parser.add_argument("--count", default=256, type=int)
    parser.add_argument("--steps", default=25, type=int)
    parser.add_argument("--cfg-scale", default=4.0, type=float)
    parser.add_argument("--schedule", default="karras", choices=["normal", "karras"])
    parser.add_argument("--threads", default=2, type=int)
    main(parser.parse_args())
