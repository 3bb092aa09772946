"""Muon for weight matrices, AdamW for the rest, behind one learning-rate factor."""

import torch

# Newton-Schulz coefficients of Keller Jordan, "Muon" (2024): fast rather than exact, singular values end in [0.7, 1.2]
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
NEWTON_SCHULZ_STEPS = 5
WARM_UP_STEPS = 200
DECAY_SHARE = 0.7


def orthogonalize(update):
    """The nearest orthogonal matrix (about) to `update` [rows, ...]; trailing dimensions count as columns.

    In bf16, as its author computes it: half of the time matters here, the last bits do not.
    """
    a, b, c = NEWTON_SCHULZ
    x = update.flatten(1).bfloat16()
    x = x / (x.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    if tall:
        x = x.T
    for _ in range(NEWTON_SCHULZ_STEPS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    if tall:
        x = x.T
    return x.reshape(update.shape).to(update.dtype)


class Muon(torch.optim.Optimizer):
    """Momentum, then an orthogonalised update, for parameters with two dimensions or more (Jordan 2024)."""

    def __init__(self, params, lr, momentum=0.95, weight_decay=0.0):
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            momentum = group["momentum"]
            for p in group["params"]:
                average = self.state[p].setdefault("momentum", torch.zeros_like(p))
                average.lerp_(p.grad, 1 - momentum)
                update = orthogonalize(p.grad.lerp(average, momentum))
                rows, columns = p.shape[0], p[0].numel()
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.add_(update, alpha=-group["lr"] * max(1, rows / columns) ** 0.5)


class Optimizers:
    """Both optimisers as one.

    Muon takes every weight with two dimensions or more whose name contains none of `adam_names` (first and last layers
    and embeddings, as its author advises); AdamW takes the others, with the gradient norm clipped to 1.
    """

    def __init__(self, named_parameters, *, muon_lr, adam_lr, weight_decay, adam_names):
        named = list(named_parameters)
        matrices = [p for name, p in named if p.ndim >= 2 and not any(part in name for part in adam_names)]
        chosen = {id(p) for p in matrices}
        self._others = [p for _, p in named if id(p) not in chosen]
        self._rates = (muon_lr, adam_lr)
        self._optimizers = (
            Muon(matrices, muon_lr, weight_decay=weight_decay),
            torch.optim.AdamW(self._others, adam_lr, betas=(0.9, 0.99), weight_decay=weight_decay, fused=True),
        )

    def step(self, factor):
        """One update with both learning rates multiplied by `factor`; gradients are cleared."""
        torch.nn.utils.clip_grad_norm_(self._others, 1.0)
        for optimizer, rate in zip(self._optimizers, self._rates):
            for group in optimizer.param_groups:
                group["lr"] = rate * factor
            optimizer.step()
            optimizer.zero_grad()

    def state_dict(self):
        return [optimizer.state_dict() for optimizer in self._optimizers]

    def load_state_dict(self, states):
        for optimizer, state in zip(self._optimizers, states):
            optimizer.load_state_dict(state)


def decaying_rate(step, progress):
    """A learning-rate factor: linear warm-up, constant, then linear decay over the last DECAY_SHARE of the budget."""
    decay = min(1, max(0, 1 - progress) / DECAY_SHARE)
    return min(1, (step + 1) / WARM_UP_STEPS) * decay + 1e-3
