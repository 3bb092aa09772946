"""The whole model, put together from what the stages wrote: draws avatars from captions.

python avatar.py "a smiling man with red hair" [...] [--build DIR] [--out FILE.png]
"""

import argparse
from pathlib import Path

import torch

from data import save_sheet, to_pixels
from device import DEVICE, to_device
from diffusion import sample
from grow_vae import load_large_vae
from models import build_text_encoder, build_unet
from vocabulary import load_tokenizer

PROMPTS = [
    "a smiling avatar with red hair and glasses",
    "a man with a black beard, green background",
    "a woman with long blond hair, wearing a purple hoodie, yellow background",
    "a surprised person with a blue afro and a red shirt on white",
    "a guy with sunglasses and a yellow hat, blue background",
    "an angry man with brown short hair wearing a black jacket",
    "a pink bob, green sweater, heart eyes, purple background",
    "a sleeping girl with an orange bun",
]


class Avatar:
    """Tokenizer, text encoder, UNet and VAE of one build folder."""

    def __init__(self, build, *, unet_state=None, text_state=None):
        state = {} if unet_state else torch.load(Path(build) / "unet.pt", map_location="cpu")
        self.tokenizer = load_tokenizer(build)
        self.text_encoder, self.unet = build_text_encoder(self.tokenizer), build_unet()
        self.text_encoder.load_state_dict(text_state or state["text_encoder"])
        self.unet.load_state_dict(unet_state or state["unet"])
        self.vae, self.scaling_factor = load_large_vae(build)
        for module in (self.text_encoder, self.unet):
            module.to(DEVICE).eval().requires_grad_(False)

    @torch.no_grad()
    def encode_text(self, texts):
        """f32 [N, 77, 128]"""
        return self.text_encoder(to_device(self.tokenizer.encode(texts))).last_hidden_state

    @torch.no_grad()
    def draw(self, texts, *, seed=1, **options):
        """uint8 [N, 128, 128, 3]; options as in `diffusion.sample`."""
        noise = torch.randn(len(texts), 4, 16, 16, generator=torch.Generator().manual_seed(seed)).to(DEVICE)
        latents = sample(self.unet, self.encode_text(texts), self.encode_text([""]), noise, **options)
        return to_pixels(self.vae.decode(latents / self.scaling_factor).sample)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("prompts", nargs="*", default=PROMPTS)
    parser.add_argument("--build", default=Path(__file__).parent / "build", type=Path)
    parser.add_argument("--out", default="avatars.png")
    parser.add_argument("--seed", default=1, type=int)
    parser.add_argument("--threads", default=2, type=int)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    save_sheet(arguments.out, Avatar(arguments.build).draw(arguments.prompts, seed=arguments.seed), columns=4, zoom=2)
