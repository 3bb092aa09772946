"""The networks of the avatar models: diffusers' and transformers' own classes with small configurations."""

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel, UNet2DModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel

# pixels [N, 3, 64, 64] in [-1, 1] <-> latents [N, 4, 16, 16]
VAE_CONFIG = {
    "in_channels": 3,
    "out_channels": 3,
    "latent_channels": 4,
    "block_out_channels": [32, 48, 64],
    "layers_per_block": 1,
    "norm_num_groups": 8,
    "act_fn": "silu",
    "down_block_types": ["DownEncoderBlock2D"] * 3,
    "up_block_types": ["UpDecoderBlock2D"] * 3,
}

# The VAE that ships: one level more, pixels [N, 3, 128, 128] <-> the same latents [N, 4, 16, 16] (grow_vae.py)
LARGE_VAE_CONFIG = VAE_CONFIG | {
    "block_out_channels": [32, *VAE_CONFIG["block_out_channels"]],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
}

# latents [N, 4, 16, 16], timesteps [N], context [N, 77, 128] -> velocity [N, 4, 16, 16]
UNET_CONFIG = {
    "sample_size": 16,
    "in_channels": 4,
    "out_channels": 4,
    "block_out_channels": [64, 128, 128],
    "layers_per_block": 1,
    "cross_attention_dim": 128,
    # As in every diffusers UNet: the number of heads in each block; 32 channels a head.
    "attention_head_dim": [2, 4, 4],
    "norm_num_groups": 32,
    "norm_eps": 1e-5,
    "act_fn": "silu",
    "use_linear_projection": False,
    "down_block_types": ["CrossAttnDownBlock2D"] * 3,
    "mid_block_type": "UNetMidBlock2DCrossAttn",
    "up_block_types": ["CrossAttnUpBlock2D"] * 3,
}

# token ids [N, 77] -> context [N, 77, 128]; the vocabulary's size is that of the tokenizer
TEXT_CONFIG = {
    "hidden_size": 128,
    "intermediate_size": 512,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "hidden_act": "quick_gelu",
    "layer_norm_eps": 1e-5,
    "max_position_embeddings": 77,
    "projection_dim": 128,
}

# noisy pixels [N, 3, 32, 32], timesteps [N] -> noise [N, 3, 32, 32]; attention at 8 x 8, 32 channels a head
DDPM_CONFIG = {
    "sample_size": 32,
    "in_channels": 3,
    "out_channels": 3,
    "block_out_channels": [32, 64, 96],
    "layers_per_block": 1,
    "attention_head_dim": 32,
    "norm_num_groups": 8,
    "norm_eps": 1e-5,
    "act_fn": "silu",
    "down_block_types": ["DownBlock2D"] * 2 + ["AttnDownBlock2D"],
    "up_block_types": ["AttnUpBlock2D"] + ["UpBlock2D"] * 2,
}


class PlainAttention:
    """Attention written out. PyTorch's fused CPU attention has a backward pass that takes a third of a training step at
    this size; written out, a step is a quarter faster. Hidden states [N, tokens, channels]."""

    def __call__(self, attention, hidden_states, encoder_hidden_states=None, **_):
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        query, key, value = (
            states.unflatten(-1, (attention.heads, -1)).transpose(1, 2)
            for states in (attention.to_q(hidden_states), attention.to_k(context), attention.to_v(context))
        )
        weights = ((query * attention.scale) @ key.mT).softmax(-1, dtype=key.dtype)
        return attention.to_out[0]((weights @ value).transpose(1, 2).flatten(2))


def build_vae(config=VAE_CONFIG):
    """An untrained AutoencoderKL, 0.84 M parameters."""
    return AutoencoderKL(**config).to(memory_format=torch.channels_last)


def build_unet():
    """An untrained UNet whose residual branches start at zero, as in latent diffusion's own code."""
    unet = UNet2DConditionModel(**UNET_CONFIG).to(memory_format=torch.channels_last)
    unet.set_attn_processor(PlainAttention())
    zero_branches(unet, (".conv2", ".proj_out", "conv_out"))
    return unet


def build_ddpm():
    """An untrained UNet on pixels whose residual branches start at zero."""
    unet = UNet2DModel(**DDPM_CONFIG).to(memory_format=torch.channels_last)
    zero_branches(unet, (".conv2", ".to_out.0", "conv_out"))
    return unet


def zero_branches(network, endings):
    """Zeroes the layers whose names end so."""
    for name, module in network.named_modules():
        if name.endswith(endings):
            nn.init.zeros_(module.weight)
            nn.init.zeros_(module.bias)


def build_text_encoder(tokenizer):
    """An untrained CLIP text encoder for the vocabulary of `tokenizer`."""
    return CLIPTextModel(
        CLIPTextConfig(
            **TEXT_CONFIG, vocab_size=len(tokenizer), bos_token_id=tokenizer.start, eos_token_id=tokenizer.end,
            pad_token_id=tokenizer.end, attn_implementation="eager",
        )
    )


class AttributeHeads(nn.Module):
    """Reads the attributes back from the context [N, tokens, 128]; used in training only, to teach which word belongs to which.

    Each attribute has a query that attends over the tokens, as the UNet's cross-attention does, and a linear classifier.
    """

    def __init__(self, classes):
        super().__init__()
        width = TEXT_CONFIG["hidden_size"]
        self.queries = nn.Parameter(torch.randn(len(classes), width))
        self.key = nn.Linear(width, width, bias=False)
        self.classifiers = nn.ModuleList(nn.Linear(width, len(values)) for values in classes.values())

    def loss(self, context, labels):
        """Mean cross-entropy over the attributes that the captions name, and the share read right. `labels` int64 [N, 9]."""
        weights = (self.queries @ self.key(context).mT / self.queries.shape[1] ** 0.5).softmax(-1)
        pooled = (weights @ context).float()
        logits = [classifier(pooled[:, i]).float() for i, classifier in enumerate(self.classifiers)]
        total = sum(nn.functional.cross_entropy(z, labels[:, i], reduction="sum") for i, z in enumerate(logits))
        right = sum(((z.argmax(1) == labels[:, i]) & (labels[:, i] >= 0)).sum() for i, z in enumerate(logits))
        named = (labels >= 0).sum().clamp(min=1)
        return total / named, right / named


def count_parameters(*modules):
    return sum(p.numel() for module in modules for p in module.parameters())
