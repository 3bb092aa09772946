"""The captions of the training set as token ids, and what each says about the nine attributes."""

import json
from pathlib import Path

import numpy as np

from data import PictureSet

IGNORED = -100  # the label of an attribute that a caption does not name; cross-entropy skips it


class Captions:
    """`ids` int16 [N, 3, 77], `labels` int8 [N, 3, 9], `classes`: attribute -> its values, `empty` [77]: the empty caption.

    `length`: the longest caption in tokens, start and end included; all ids after it are padding.
    """

    def __init__(self, build, tokenizer, count=None):
        records = PictureSet(build, "train").records[:count]
        texts = [caption["text"] for record in records for caption in record["captions"]]
        ids = tokenizer.encode(texts)
        self.empty = tokenizer.encode([""])[0]
        self.length = int((ids != tokenizer.end).sum(1).max()) + 1
        self.ids = ids.reshape(len(records), -1, ids.shape[1]).astype(np.int16)
        self.classes = attribute_classes(build)
        self.labels = np.array([[self._labels(record, c["names"]) for c in record["captions"]] for record in records], np.int8)

    def _labels(self, record, names):
        return [v.index(record[name]) if name in names else IGNORED for name, v in self.classes.items()]

    def __len__(self):
        return len(self.ids)

    def draw(self, rows, random, empty_share=0.0):
        """One caption of each picture, int64 ids [N, 77] and labels [N, 9]; `empty_share` of them replaced by the empty one."""
        choice = random.integers(self.ids.shape[1], size=len(rows))
        ids, labels = self.ids[rows, choice].astype(np.int64), self.labels[rows, choice].astype(np.int64)
        dropped = random.random(len(rows)) < empty_share
        ids[dropped], labels[dropped] = self.empty, IGNORED
        return ids, labels


def attribute_classes(build):
    table = json.loads((Path(build) / "data" / "attributes.json").read_text(encoding="utf-8"))
    palettes = table["palettes"]
    return table["values"] | {
        "background": list(palettes["background"]),
        "skin": list(palettes["skin"]),
        "clothesColor": list(palettes["clothes"]),
        "topColor": list(palettes["hair"] | palettes["clothes"]),
    }
