"""Measures OpenVINO GenAI for `node-diffusion bench`: options as JSON in; a folder in OpenVINO's format or a line of JSON out.

`convert` makes the folder of a diffusers folder, or of a single file of Stable Diffusion 1; it needs torch, diffusers and
transformers beside openvino-genai, and nncf for int8 weights. `measure` draws from it and tells seconds and bytes.
"""

import gzip
import json
import os
import resource
import sys
import time
from pathlib import Path

os.environ["CI"] = "true"  # else OpenVINO's packages report to their makers that they are used
sys.dont_write_bytecode = True  # of bench_diffusers, beside this file


def clip_tokenizer():
    """CLIP's, of the vocabulary beside this file: single files have none."""
    from transformers import CLIPTokenizer

    with gzip.open(Path(__file__).with_name("bpe_simple_vocab_16e6.txt.gz"), "rt", encoding="utf-8") as file:
        merges = [tuple(line.split()) for line in file.read().splitlines()[1:]]
    # Bytes that print are their own letters, and first; the rest have letters from 256 on.
    printing = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = [*map(chr, printing), *(chr(256 + i) for i in range(256 - len(printing)))]
    words = [*letters, *(letter + "</w>" for letter in letters), *map("".join, merges), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: i for i, word in enumerate(words)}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, pad_token=words[-1], model_max_length=77)


def load(path):
    from bench_diffusers import single_file
    import torch
    from diffusers import StableDiffusionPipeline

    if path.endswith(".safetensors"):
        return single_file(path, torch.float32)
    return StableDiffusionPipeline.from_pretrained(
        path, torch_dtype=torch.float32, local_files_only=True, safety_checker=None, requires_safety_checker=False
    )


def save(part, call, inputs, folder, weights):
    """Traces `call(part, *inputs)` into a folder. Inputs by name: an example, and its shape with -1 for what varies."""
    import openvino
    import torch

    class Call(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.part = part

        def forward(self, *values):
            return call(self.part, *values)

    examples, shapes = zip(*inputs.values())
    with torch.no_grad():
        model = openvino.convert_model(Call().eval(), example_input=examples, input=list(shapes))
    for port, name in zip(model.inputs, inputs):
        port.get_tensor().set_names({name})
    if weights == "int8":
        import nncf

        model = nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_SYM)
    openvino.save_model(model, folder / "openvino_model.xml", compress_to_fp16=weights != "f32")


def convert(options):
    import openvino
    import torch
    from diffusers import DDIMScheduler
    from openvino_tokenizers import convert_tokenizer

    torch.set_num_threads(options["threads"])
    folder, weights = Path(options["folder"]), options["weights"]
    pipe = load(options["model"])
    text, unet, vae = pipe.text_encoder, pipe.unet, pipe.vae
    text.config.save_pretrained(folder / "text_encoder")
    unet.save_config(folder / "unet")
    vae.save_config(folder / "vae_decoder")
    DDIMScheduler.from_config(pipe.scheduler.config, clip_sample=False).save_config(folder / "scheduler")
    tokens, width, channels = text.config.max_position_embeddings, text.config.hidden_size, vae.config.latent_channels
    ids = dict(input_ids=(torch.ones(2, tokens, dtype=torch.int64), [-1, tokens]))
    latents = (torch.randn(2, channels, 8, 8), [-1, channels, -1, -1])
    step = dict(
        sample=latents, timestep=(torch.tensor([1]), [1]),
        encoder_hidden_states=(torch.randn(2, tokens, width), [-1, tokens, width]),
    )  # fmt: skip
    save(text, lambda part, ids: part(input_ids=ids, return_dict=False)[0], ids, folder / "text_encoder", weights)
    save(unet, lambda part, *values: part(*values, return_dict=False)[0], step, folder / "unet", weights)
    decoded = dict(latent_sample=latents)
    save(vae, lambda part, z: part.decode(z, return_dict=False)[0], decoded, folder / "vae_decoder", weights)
    tokenizer = convert_tokenizer(pipe.tokenizer or clip_tokenizer())
    (folder / "tokenizer").mkdir()
    openvino.save_model(tokenizer, folder / "tokenizer" / "openvino_tokenizer.xml")
    kinds = dict(text_encoder="CLIPTextModel", unet="UNet2DConditionModel", vae="AutoencoderKL")
    index = dict(_class_name="StableDiffusionPipeline", **{name: ["", kind] for name, kind in kinds.items()})
    (folder / "model_index.json").write_text(json.dumps(index))


def number_type(settings):
    """What the processor computes in with these settings: the hint itself may be one that it does not follow."""
    import openvino
    from openvino import opset13

    values = opset13.parameter([1], openvino.Type.f32)
    model = openvino.Model([opset13.relu(values)], [values])
    compiled = openvino.Core().compile_model(model, "CPU", settings)
    return compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()


def draw(pipe, options, steps):
    """Seconds, as the library measures them."""
    pipe.generate(
        options["prompt"], negative_prompt=options["negativePrompt"], width=options["width"], height=options["height"],
        num_inference_steps=steps, guidance_scale=options["cfgScale"], rng_seed=1,
    )  # fmt: skip
    took = pipe.get_performance_metrics()
    step = [microseconds / 1e6 for microseconds in took.raw_metrics.iteration_durations]
    return dict(
        text=took.get_text_encoder_infer_duration()["text_encoder"] / 1e3, step=step,
        decode=took.get_vae_decoder_infer_duration() / 1e3,
    )  # fmt: skip


def measure(options):
    import openvino_genai

    settings = {"INFERENCE_NUM_THREADS": options["threads"], **options["settings"]}
    started = time.perf_counter()
    pipe = openvino_genai.Text2ImagePipeline(options["folder"])
    pipe.reshape(1, options["height"], options["width"], options["cfgScale"])
    pipe.compile("CPU", **settings)
    loaded = time.perf_counter() - started
    first = draw(pipe, options, 1)
    took = draw(pipe, options, options["steps"])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    computes = number_type(settings)
    print(json.dumps(dict(load=loaded, **took, firstDecode=first["decode"], peakBytes=peak, computes=computes)))


try:
    dict(convert=convert, measure=measure)[sys.argv[1]](json.loads(sys.argv[2]))
except ImportError as error:
    sys.exit(f"this Python lacks what it needs to {sys.argv[1]} a model: {error}")
