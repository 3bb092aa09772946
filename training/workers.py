"""Training in several single-threaded processes that average their gradients once a step.

On two cores this keeps both busy where two threads of one process would meet, and wait, hundreds of times a step.
"""

import tempfile
from pathlib import Path

import torch
from torch import distributed, multiprocessing


def run_workers(function, count, *arguments):
    """Runs `function(worker, *arguments)` in `count` processes and waits for them."""
    with tempfile.TemporaryDirectory() as folder:
        meeting_point = Path(folder) / "store"
        multiprocessing.spawn(_run, (function, count, meeting_point, arguments), nprocs=count)


def _run(rank, function, count, meeting_point, arguments):
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{meeting_point}", rank=rank, world_size=count)
    try:
        function(Worker(rank, count), *arguments)
    finally:
        distributed.destroy_process_group()


class Worker:
    def __init__(self, rank, count):
        self.rank, self.count = rank, count
        self.is_first = rank == 0

    def from_first(self, value):
        """The number that the first worker passes, in every worker."""
        tensor = torch.tensor([value], dtype=torch.float64)
        distributed.broadcast(tensor, 0)
        return tensor.item()

    def average_gradients(self, parameters):
        """Replaces every gradient by its mean over the workers."""
        if self.count == 1:
            return
        gradients = [p.grad for p in parameters]
        flat = torch.cat([gradient.flatten() for gradient in gradients]).cpu()
        distributed.all_reduce(flat)
        flat /= self.count
        for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients])):
            gradient.copy_(part.view_as(gradient))
