"""The noise schedule of Stable Diffusion 1 with velocity prediction, and sampling with DPM-Solver++(2M)."""

import torch

from device import DEVICE, half_precision

SCHEDULER_CONFIG = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "v_prediction",
}


def alphas_cumprod():
    """f32 [1000]: the share of signal variance left at each timestep."""
    low, high = SCHEDULER_CONFIG["beta_start"] ** 0.5, SCHEDULER_CONFIG["beta_end"] ** 0.5
    betas = torch.linspace(low, high, SCHEDULER_CONFIG["num_train_timesteps"], dtype=torch.float64) ** 2
    return (1 - betas).cumprod(0).float()


def add_noise(latents, noise, alpha):
    """The noisy latents and the velocity that the UNet learns (Salimans & Ho 2022). `alpha`: alphas_cumprod [N]."""
    signal, deviation = alpha.sqrt().view(-1, 1, 1, 1), (1 - alpha).sqrt().view(-1, 1, 1, 1)
    return signal * latents + deviation * noise, signal * noise - deviation * latents


def schedule(name, steps):
    """`steps` + 1 sigmas from noise to 0: 'normal' is uniform in timesteps, 'karras' follows Karras et al. 2022."""
    alphas = alphas_cumprod()
    table = ((1 - alphas) / alphas).sqrt()
    if name == "normal":
        position = torch.linspace(len(table) - 1, 0, steps)
        low = position.floor().long()
        high = (low + 1).clamp(max=len(table) - 1)
        sigmas = (table.log()[low].lerp(table.log()[high], position - low)).exp()
    elif name == "karras":
        rho, ramp = 7, torch.linspace(0, 1, steps)
        first, last = table[-1] ** (1 / rho), table[0] ** (1 / rho)
        sigmas = (first + ramp * (last - first)) ** rho
    else:
        raise ValueError(f"schedule must be 'normal' or 'karras', not {name!r}")
    return torch.cat([sigmas, torch.zeros(1)])


def timestep_of(sigma):
    """The fractional timestep of a sigma, by linear interpolation in log sigma."""
    alphas = alphas_cumprod()
    logs = ((1 - alphas) / alphas).sqrt().log()
    high = int(torch.searchsorted(logs, sigma.log()).clamp(1, len(logs) - 1))
    share = (sigma.log() - logs[high - 1]) / (logs[high] - logs[high - 1])
    return high - 1 + share.clamp(0, 1)


@torch.no_grad()
def sample(unet, context, empty_context, noise, *, steps=25, cfg_scale=4.0, schedule_name="karras"):
    """Latents [N, 4, 16, 16] for `context` [N, 77, C], by DPM-Solver++(2M) (Lu et al. 2022) with guidance.

    `empty_context`: [1, 77, C], of the empty prompt. `noise`: standard normal [N, 4, 16, 16].
    """
    sigmas = schedule(schedule_name, steps)
    both = torch.cat([context, empty_context.expand_as(context)])
    x, previous = noise * sigmas[0], None
    for i, (sigma, following) in enumerate(zip(sigmas[:-1], sigmas[1:])):
        scaled = x / (1 + sigma**2).sqrt()
        timesteps = timestep_of(sigma).to(DEVICE).expand(len(both))
        with half_precision():
            velocity = unet(torch.cat([scaled, scaled]), timesteps, both).sample.float()
        conditional, unconditional = velocity.chunk(2)
        guided = unconditional + cfg_scale * (conditional - unconditional)
        denoised = x / (1 + sigma**2) - guided * sigma / (1 + sigma**2).sqrt()
        step = (sigma / following).log()
        direction = denoised
        if previous is not None and following > 0:
            ratio = (sigmas[i - 1] / sigma).log() / step
            direction = (1 + 1 / (2 * ratio)) * denoised - previous / (2 * ratio)
        x = denoised if following == 0 else following / sigma * x - torch.expm1(-step) * direction
        previous = denoised
    return x
