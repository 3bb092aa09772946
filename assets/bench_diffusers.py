"""Measures diffusers for `node-diffusion bench`: options as JSON in, seconds and bytes as a line of JSON out. Needs torch and diffusers.

A diffusers folder is loaded as it is; a single file of Stable Diffusion 1 through the configurations below, so that nothing is fetched.
"""

import json
import resource
import sys
import tempfile
import time

import torch
from diffusers import AutoencoderKL, DDIMScheduler, DiffusionPipeline, StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import load_file
from transformers import CLIPTextConfig, CLIPTextModel

TOKENS, START, END = 77, 49406, 49407


def single_file(path, dtype):
    """Stable Diffusion 1's networks from one file in CompVis' names."""

    def part(kind, config):
        with tempfile.TemporaryDirectory() as folder:
            kind.from_config(config).save_config(folder)
            return kind.from_single_file(path, config=folder, torch_dtype=dtype, local_files_only=True)

    unet = part(UNet2DConditionModel, dict(cross_attention_dim=768))
    levels = (128, 256, 512, 512)
    blocks = dict(
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4, block_out_channels=levels
    )
    vae = part(AutoencoderKL, dict(**blocks, layers_per_block=2, latent_channels=4, sample_size=512))
    text = CLIPTextModel(CLIPTextConfig(hidden_size=768, intermediate_size=3072, num_attention_heads=12, projection_dim=768))
    prefix = "cond_stage_model.transformer."
    weights = {name.removeprefix(prefix): w for name, w in load_file(path).items() if name.startswith(prefix)}
    if not any(name.startswith("text_model.") for name in text.state_dict()):
        weights = {name.removeprefix("text_model."): w for name, w in weights.items()}
    missing = text.load_state_dict(weights, strict=False).missing_keys
    missing = [name for name in missing if "position_ids" not in name]
    if missing:
        raise ValueError(f"the text encoder's {missing[0]} is not in {path}")
    betas = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    scheduler = DDIMScheduler(**betas, clip_sample=False, steps_offset=1)
    return StableDiffusionPipeline(
        vae=vae, text_encoder=text.to(dtype), tokenizer=None, unet=unet, scheduler=scheduler,
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip


def embeddings(pipe, options):
    """What the pipeline takes in place of the two prompts."""
    if pipe.tokenizer is None:
        ids = torch.full((2, TOKENS), END)
        ids[:, 0], ids[:, 1:9] = START, torch.arange(320, 328)
        both = pipe.text_encoder(ids)[0]
        return dict(prompt_embeds=both[:1], negative_prompt_embeds=both[1:])
    encoded = pipe.encode_prompt(
        prompt=options["prompt"], negative_prompt=options["negativePrompt"], device="cpu", num_images_per_prompt=1,
        do_classifier_free_guidance=True,
    )  # fmt: skip
    names = ("prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds")
    return dict(zip(names, encoded))


def draw(pipe, options, steps):
    """(seconds of each step, of decoding, of the text)"""
    started = time.perf_counter()
    text = embeddings(pipe, options)
    encoded = time.perf_counter()
    ends = []

    def on_step(_pipe, _index, _timestep, values):
        ends.append(time.perf_counter())
        return values

    decode, took = pipe.vae.decode, []

    def timed_decode(*args, **kwargs):
        before = time.perf_counter()
        decoded = decode(*args, **kwargs)
        took.append(time.perf_counter() - before)
        return decoded

    pipe.vae.decode = timed_decode
    pipe(
        **text, width=options["width"], height=options["height"], num_inference_steps=steps,
        guidance_scale=options["cfgScale"], generator=torch.Generator().manual_seed(1), callback_on_step_end=on_step,
    )  # fmt: skip
    pipe.vae.decode = decode
    starts = [encoded, *ends]
    return [end - start for start, end in zip(starts, ends)], took[0], encoded - started


def main():
    options = json.loads(sys.argv[1])
    torch.set_num_threads(options["threads"])
    dtype = getattr(torch, options["dtype"])
    started = time.perf_counter()
    if options["model"].endswith(".safetensors"):
        pipe = single_file(options["model"], dtype)
    else:
        pipe = DiffusionPipeline.from_pretrained(options["model"], torch_dtype=dtype, local_files_only=True)
    pipe.set_progress_bar_config(disable=True)
    load = time.perf_counter() - started
    with torch.inference_mode():
        _, first_decode, _ = draw(pipe, options, 1)
        step, decode, text = draw(pipe, options, options["steps"])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(json.dumps(dict(load=load, text=text, step=step, decode=decode, firstDecode=first_decode, peakBytes=peak)))


if __name__ == "__main__":
    main()
