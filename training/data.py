"""Reads the sets that render.mjs wrote, and turns pictures into tensors and back."""

import itertools
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from device import to_device

SIZE = 64
LARGE = 128


class PictureSet:
    """One set: `pixels` uint8 [N, size, size, 3] (mapped from disk) and `records`, a list of labels and captions.

    In the size 128 a set may hold only the first pictures.
    """

    def __init__(self, build, name, size=SIZE):
        folder = Path(build) / "data"
        file = folder / (f"{name}.rgb" if size == SIZE else f"{name}-{size}.rgb")
        self.pixels = np.memmap(file, np.uint8, "r").reshape(-1, size, size, 3)
        with open(folder / f"{name}.jsonl", encoding="utf-8") as lines:
            self.records = [json.loads(line) for line in itertools.islice(lines, len(self.pixels))]
        if len(self.records) != len(self.pixels):
            raise ValueError(f"{file}: {len(self.pixels)} pictures but {len(self.records)} lines")

    def __len__(self):
        return len(self.pixels)

    def batch(self, indices):
        """f32 [N, 3, size, size] in [-1, 1], channels last in memory."""
        return to_tensor(self.pixels[indices])


def shrink(pixels, size=SIZE):
    """uint8 [N, k size, k size, 3] -> uint8 [N, size, size, 3], by means of k x k."""
    n, height, width, _ = pixels.shape
    blocks = pixels.reshape(n, size, height // size, size, width // size, 3)
    return blocks.mean((2, 4), dtype=np.float32).round().astype(np.uint8)


def to_tensor(pixels):
    """uint8 [N, H, W, 3] -> f32 [N, 3, H, W] in [-1, 1]."""
    tensor = to_device(np.array(pixels)).permute(0, 3, 1, 2).float() / 127.5 - 1
    return tensor.contiguous(memory_format=torch.channels_last)


def to_pixels(tensor):
    """f32 [N, 3, H, W] in [-1, 1] -> uint8 [N, H, W, 3]."""
    return ((tensor.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).contiguous().cpu().numpy()


def save_sheet(path, pixels, columns=8, zoom=2, gap=4):
    """Writes pictures uint8 [N, H, W, 3] as one PNG, row by row."""
    count, height, width, _ = pixels.shape
    rows = -(-count // columns)
    sheet = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, 3), 128, np.uint8)
    for i, picture in enumerate(pixels):
        y, x = gap + i // columns * (height + gap), gap + i % columns * (width + gap)
        sheet[y : y + height, x : x + width] = picture
    image = Image.fromarray(sheet)
    image.resize((image.width * zoom, image.height * zoom), Image.NEAREST).save(path)
