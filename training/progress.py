"""How long a training runs and how it survives an interruption: budget, checkpoints, log lines."""

import os
import time
from pathlib import Path

import numpy as np
import torch


class Budget:
    """Counts training time over all restarts; of a time in which the process stood still, PAUSE seconds at most.

    The schedule follows `progress()`, elapsed seconds over `seconds`; with `steps` given it follows the step count
    instead, and then the whole training is a function of its seed alone.
    """

    PAUSE = 30

    def __init__(self, seconds, steps=None):
        self.seconds = seconds
        self.steps = steps
        self.step = 0
        self._elapsed = 0.0
        self._seen = time.monotonic()

    def elapsed(self):
        now = time.monotonic()
        self._elapsed += min(now - self._seen, self.PAUSE)
        self._seen = now
        return self._elapsed

    def progress(self):
        """0 at the start, 1 and more at the end."""
        return self.step / self.steps if self.steps else self.elapsed() / self.seconds

    def state_dict(self):
        return {"step": self.step, "elapsed": self.elapsed()}

    def load_state_dict(self, state):
        self.step, self._elapsed = state["step"], state["elapsed"]
        self._seen = time.monotonic()


class Checkpoint:
    """One file holding the state of everything that training changes, random sources included.

    Written under another name and then renamed, so that the file is always whole.
    """

    def __init__(self, path, every_seconds, **parts):
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._parts = parts
        self._every = every_seconds
        self._saved = time.monotonic()

    def restore(self, random=None):
        """Loads the file where there is one. `random`: the numpy generator of a training that has one for all steps."""
        if not self.path.exists():
            return False
        state = torch.load(self.path, weights_only=False, map_location="cpu")
        for name, part in self._parts.items():
            part.load_state_dict(state[name])
        torch.set_rng_state(state["torch_random"])
        if random:
            random.bit_generator.state = state["numpy_random"]
        return True

    def due(self):
        return time.monotonic() - self._saved >= self._every

    def save(self, random=None):
        state = {name: part.state_dict() for name, part in self._parts.items()}
        state["torch_random"] = torch.get_rng_state()
        if random:
            state["numpy_random"] = random.bit_generator.state
        save_whole(self.path, state)
        self._saved = time.monotonic()


class Threads:
    """How many threads torch uses: as asked, or (`count` 0) whichever of one and two finishes steps faster.

    On a machine that other work keeps busy a parallel region waits for its slowest thread, and one thread is often
    the faster choice; on an idle one it is two. The choice is tried anew every `EVERY` seconds. Results of one and two
    threads differ in the last bits: give a fixed count where a run must be repeated exactly.
    """

    EVERY = 90
    TRIAL = 6  # seconds for each count

    def __init__(self, count):
        self._fixed = count > 0
        self._trials = []
        self._begin(count or 1)

    def _begin(self, count):
        self.count = count
        self._steps, self._started = 0, time.monotonic()
        torch.set_num_threads(count)

    def stepped(self):
        """To be called after every step."""
        self._steps += 1
        elapsed = time.monotonic() - self._started
        trying = len(self._trials) < 2
        if self._fixed or elapsed < (self.TRIAL if trying else self.EVERY):
            return
        if trying:
            self._trials.append(self._steps / elapsed)
            one, two = (*self._trials, 0.0)[:2]
            self._begin(2 if len(self._trials) == 1 or two > one else 1)
        else:
            self._trials = []
            self._begin(1)


def save_whole(path, value):
    """torch.save through a temporary name."""
    temporary = Path(f"{path}.tmp")
    torch.save(value, temporary)
    os.replace(temporary, path)


def seeded(seed):
    """Seeds torch and returns a numpy generator."""
    torch.manual_seed(seed)
    return np.random.default_rng(seed)


def add_common_arguments(parser, seconds):
    parser.add_argument("--build", default=Path(__file__).parent / "build", type=Path, help="where everything is kept")
    parser.add_argument("--seconds", default=seconds, type=float, help="training time, restarts included")
    parser.add_argument("--steps", type=int, help="train this many steps instead, whatever the time")
    parser.add_argument("--seed", default=1, type=int)
    parser.add_argument("--checkpoint-seconds", default=120, type=float)
