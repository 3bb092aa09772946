"""The running average of a network's weights: what is drawn with and shipped."""

import torch

DECAY = 0.999


class Average:
    """The running average of a module's parameters; it forgets faster in the beginning."""

    def __init__(self, module):
        self.module = module
        self.values = [p.detach().clone() for p in module.parameters()]

    @torch.no_grad()
    def update(self, step):
        decay = min(DECAY, (1 + step) / (10 + step))
        torch._foreach_lerp_(self.values, [p.detach() for p in self.module.parameters()], 1 - decay)

    def state_dict(self):
        """The averaged weights by the module's own names."""
        names = [name for name, _ in self.module.named_parameters()]
        return self.module.state_dict() | dict(zip(names, self.values, strict=True))

    def load_state_dict(self, state):
        for (name, _), value in zip(self.module.named_parameters(), self.values):
            value.copy_(state[name])
