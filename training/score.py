"""Scores the model: how often the attributes that a caption names are seen in the avatar drawn from it.

python score.py [--build DIR] --drawn NAME ...   NAME: drawn-NAME.rgb, which draw.cjs wrote, one column each.

Prints a table and writes DIR/score.json. The columns before those: `render` is the probes' own accuracy on the true pictures,
`vae` on their reconstructions (all held-out ones), and after the first one `shuffled`: its pictures judged by the captions of
others (what chance gives). Pictures of 128 x 128 are judged by their 2 x 2 means.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from data import LARGE, PictureSet, shrink, to_pixels
from grow_vae import load_large_vae
from probes import Reader

BATCH = 32


@torch.no_grad()
def reconstruct(vae, pictures):
    """The pictures through the VAE (posterior means), and their PSNR in dB."""
    parts, errors = [], []
    for start in range(0, len(pictures), BATCH):
        pixels = pictures.batch(slice(start, start + BATCH))
        parts.append(to_pixels(vae.decode(vae.encode(pixels).latent_dist.mean).sample))
        errors.append(((parts[-1] / 255 - pictures.pixels[start : start + BATCH] / 255) ** 2).mean((1, 2, 3)))
    return np.concatenate(parts), -10 * np.log10(np.concatenate(errors).mean())


def accuracy(reader, pixels, records, shift=0):
    """Attribute -> (share right, number scored), over the attributes that each caption names.

    `shift`: picture i is judged by the caption of picture i + shift.
    """
    records = records[shift:] + records[:shift]
    named = [record["captions"][0]["names"] for record in records]
    seen = reader.read(shrink(pixels), [r["top"] if "top" in names else None for r, names in zip(records, named)])
    result = {}
    for attribute, values in seen.items():
        right = [value == r[attribute] for value, r, names in zip(values, records, named) if attribute in names]
        result[attribute] = (float(np.mean(right)) if right else float("nan"), len(right))
    return result


def pair_accuracy(reader, pixels, records):
    """Of the captions that name hair colour and background, how many pictures show both, and how many there are."""
    pair = ("topColor", "background")
    rows = [i for i, record in enumerate(records) if set(pair) <= set(record["captions"][0]["names"])]
    records = [records[i] for i in rows]
    tops = [r["top"] if "top" in r["captions"][0]["names"] else None for r in records]
    seen = reader.read(shrink(pixels[rows]), tops)
    return sum(all(seen[name][i] == r[name] for name in pair) for i, r in enumerate(records)), len(rows)


def read_drawn(build, name):
    """The pictures uint8 [N, H, W, 3], the records that they were drawn from, and what draw.cjs says about them."""
    facts = json.loads((build / f"drawn-{name}.json").read_text(encoding="utf-8"))
    pixels = np.fromfile(build / f"drawn-{name}.rgb", np.uint8).reshape(-1, *facts["size"], 3)
    return pixels, PictureSet(build, facts["set"]).records[: len(pixels)], facts


def main(args):
    torch.set_num_threads(args.threads)
    reader, columns = Reader(args.build), {}
    if args.vae:
        pictures = PictureSet(args.build, "holdout", LARGE)
        columns["render"] = accuracy(reader, np.array(pictures.pixels), pictures.records)
        rebuilt, psnr = reconstruct(load_large_vae(args.build)[0], pictures)
        columns["vae"] = accuracy(reader, rebuilt, pictures.records)
        print(f"VAE: {psnr:.2f} dB on {len(pictures)} held-out pictures")
    for name in args.drawn:
        pixels, records, facts = read_drawn(args.build, name)
        columns[name] = accuracy(reader, pixels, records)
        if name == args.drawn[0]:
            columns["shuffled"] = accuracy(reader, pixels, records, shift=1)
        right, count = pair_accuracy(reader, pixels, records)
        print(f"{name}: {len(pixels)} captions of {facts['set']}, {facts['options']}; hair colour and background both right: "
              f"{right} of {count}")
    print_table(columns)
    (args.build / "score.json").write_text(json.dumps(columns, indent=2), encoding="utf-8")


def print_table(columns):
    first = max(columns.values(), key=lambda column: sum(count for _, count in column.values()))
    width = max(10, *(len(name) + 2 for name in columns))
    print(f"{'':14}" + "".join(f"{name:>{width}}" for name in columns))
    for attribute in first:
        print(f"{attribute:14}" + "".join(f"{column[attribute][0]:{width}.3f}" for column in columns.values()))
    print(f"{'all':14}" + "".join(f"{weighted_mean(column):{width}.3f}" for column in columns.values()))
    print(f"{'attributes':14}" + "".join(f"{sum(count for _, count in c.values()):{width}}" for c in columns.values()))


def weighted_mean(column):
    return sum(share * count for share, count in column.values() if count) / sum(count for _, count in column.values())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=Path(__file__).parent / "build", type=Path)
    parser.add_argument("--drawn", nargs="*", default=["holdout"], metavar="NAME")
    parser.add_argument("--vae", action="store_true", help="score the VAE as well")
    parser.add_argument("--threads", default=2, type=int)
    main(parser.parse_args())
