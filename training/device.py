"""Where the trainings compute: the CPU, or what the environment variable DEVICE names ('cuda')."""

import os

import torch

DEVICE = torch.device(os.environ.get("DEVICE", "cpu"))


def to_device(array):
    """A numpy array as a tensor there."""
    return torch.from_numpy(array).to(DEVICE)


def half_precision():
    """The context in which matrix products and convolutions take bf16."""
    return torch.autocast(DEVICE.type, torch.bfloat16)
