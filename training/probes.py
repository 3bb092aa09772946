"""Reads the attributes back from pictures without a network: palette votes for colours, ridge regression for shapes."""

import json
from pathlib import Path

import numpy as np

from data import PictureSet

COLORS = ("background", "skin", "clothesColor", "topColor")
# Where a shape shows: rows and columns of the 64 x 64 picture, and how many pixels are averaged into one.
REGIONS = {
    "top": (slice(0, 64), slice(0, 64), 2),
    "accessory": (slice(18, 38), slice(14, 50), 1),
    "facialHair": (slice(28, 48), slice(16, 48), 1),
    "expression": (slice(20, 44), slice(16, 48), 1),
    "clothing": (slice(44, 64), slice(8, 56), 1),
}
EDGE = 0.12  # a step between neighbours larger than that counts as an edge; pictures in [0, 1]
RIDGE = 30.0
VOTERS = 0.9  # a pixel votes on a colour if it shows the labelled one in this share of the renders
MIN_VOTERS = 12
RENDERS = 4000


def blur(pixels):
    """Each pixel averaged with its four neighbours: pictures of a model are never quite as sharp as renders."""
    wide = pixels.astype(np.float32)
    rolled = (np.roll(wide, shift, axis) for shift in (1, -1) for axis in (1, 2))
    return ((wide + sum(rolled)) / 5).round().astype(np.uint8)


def features(pixels, region):
    """f32 [N, D]: the region's colours, the steps between neighbours, and where a step is an edge."""
    rows, columns, pool = region
    x = pixels[:, rows, columns].astype(np.float32) / 255
    n, height, width, _ = x.shape
    x = x.reshape(n, height // pool, pool, width // pool, pool, 3).mean((2, 4))
    steps = [np.abs(np.diff(x, axis=axis)).max(-1).reshape(n, -1) for axis in (1, 2)]
    edges = [(step > EDGE).astype(np.float32) for step in steps]
    return np.concatenate([x.reshape(n, -1), *steps, *edges], 1)


class ShapeProbe:
    """Ridge regression from the features of a region to the one-hot values of an attribute."""

    def __init__(self, attribute, values, pixels, records):
        self.values, self._region = values, REGIONS[attribute]
        x = features(pixels, self._region)
        targets = np.eye(len(values), dtype=np.float32)[[values.index(record[attribute]) for record in records]]
        self._mean, self._prior = x.mean(0), targets.mean(0)
        x -= self._mean
        gram = x.T @ x
        gram[np.diag_indices(len(gram))] += RIDGE
        self._weights = np.linalg.solve(gram, x.T @ (targets - self._prior))

    def read(self, pixels):
        scores = (features(pixels, self._region) - self._mean) @ self._weights + self._prior
        return [self.values[i] for i in scores.argmax(1)]


def palette(hex_by_name):
    return list(hex_by_name), np.array([list(bytes.fromhex(value)) for value in hex_by_name.values()], np.float32)


def nearest(pixels, colors):
    """Index of the nearest of `colors` [K, 3] for every pixel [..., 3]."""
    return ((pixels[..., None, :].astype(np.float32) - colors) ** 2).sum(-1).argmin(-1)


class ColorVote:
    """The majority of the pixels that, for this top, show the attribute's colour."""

    def __init__(self, attribute, table, pixels, records):
        self._attribute, self._table, self._masks = attribute, table, {}
        for top in table["values"]["top"]:
            rows = [i for i, record in enumerate(records) if record["top"] == top]
            names, colors = self._palette(top)
            wanted = np.array([names.index(records[i][attribute]) for i in rows])
            share = (nearest(pixels[rows], colors) == wanted[:, None, None]).mean(0)
            self._masks[top] = share >= min(VOTERS, np.sort(share, None)[-MIN_VOTERS])

    def _palette(self, top):
        palettes = self._table["palettes"]
        if self._attribute == "topColor":
            return palette(palettes["clothes" if top in self._table["hats"] else "hair"])
        return palette(palettes[{"clothesColor": "clothes"}.get(self._attribute, self._attribute)])

    def read(self, pixels, tops):
        result = []
        for picture, top in zip(pixels, tops):
            names, colors = self._palette(top)
            votes = np.bincount(nearest(picture[self._masks[top]], colors), minlength=len(names))
            result.append(names[votes.argmax()])
        return result


class Reader:
    """All probes, fitted on the first renders of the training set and on blurred copies of them."""

    def __init__(self, build):
        table = json.loads((Path(build) / "data" / "attributes.json").read_text(encoding="utf-8"))
        train = PictureSet(build, "train")
        pixels, records = np.array(train.pixels[:RENDERS]), train.records[:RENDERS]
        both, twice = np.concatenate([pixels, blur(pixels)]), records + records
        self._shapes = {name: ShapeProbe(name, table["values"][name], both, twice) for name in REGIONS}
        self._colors = {name: ColorVote(name, table, pixels, records) for name in COLORS}

    def read(self, pixels, known_tops=None):
        """Attribute -> its value in each picture uint8 [N, 64, 64, 3].

        `known_tops`: what the caption says is on the head, None where it is silent; the colour masks depend on it.
        """
        result = {name: probe.read(pixels) for name, probe in self._shapes.items()}
        tops = [known or seen for known, seen in zip(known_tops or [None] * len(pixels), result["top"])]
        return result | {name: vote.read(pixels, tops) for name, vote in self._colors.items()}
