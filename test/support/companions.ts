/** What people load beside a model, made of the tensors of any UNet: a LoRA and a ControlNet with random weights. */
import { configOf, type FileTensor, type ModelParts, type Tensors } from './model-files';

/** Small numbers that are the same in each run. */
function noise(shape: number[], scale: number): FileTensor {
  const count = shape.reduce((product, size) => product * size, 1);
  const values = Float32Array.from({ length: count }, (_, i) => scale * Math.sin(12.9898 * (i + 1) + 78.233 * count));
  return { dtype: 'F32', shape, data: Buffer.from(values.buffer) };
}

/** Of rank 2, for the keys and values of every cross-attention, in diffusers' names. */
export function loraFor({ tensors }: ModelParts): ModelParts {
  const rank = 2;
  const lora: Tensors = new Map();
  for (const [name, { shape }] of tensors) {
    const [, layer] = /^(unet\..+\.attn2\.to_[kv])\.weight$/.exec(name) ?? [];
    if (layer === undefined) continue;
    lora.set(`${layer}.lora_A.weight`, noise([rank, shape[1]], 0.3));
    lora.set(`${layer}.lora_B.weight`, noise([shape[0], rank], 0.3));
  }
  return { tensors: lora, metadata: {} };
}

/**
 * The UNet's way down and its middle, with what a ControlNet has beside, in diffusers' names.
 *
 * @param latentChannels of which it takes the first, where the UNet sees more
 * @param downscale of the pictures, 1, 2, 4 ...
 */
export function controlNetFor(parts: ModelParts, latentChannels: number, downscale: number): ModelParts {
  const net: Tensors = new Map();
  const add = (name: string, out: number, inputs: number, kernel: number, gain: number) => {
    net.set(`${name}.weight`, noise([out, inputs, kernel, kernel], gain / Math.sqrt(inputs * kernel * kernel)));
    net.set(`${name}.bias`, noise([out], 0.01));
  };
  const maps: number[] = [];
  let channels = 0;
  for (const [prefixed, tensor] of parts.tensors) {
    const name = prefixed.replace(/^unet\./, '');
    if (name === prefixed || /^(up_blocks|conv_norm_out|conv_out|time_embedding\.cond_proj)\b/.test(name)) continue;
    net.set(name, name === 'conv_in.weight' ? firstInputs(tensor, latentChannels) : tensor);
    if (name === 'conv_in.weight') channels = tensor.shape[0];
  }
  const at = (name: string) => net.get(name)?.shape[0];
  maps.push(channels);
  for (let level = 0; at(`down_blocks.${level}.resnets.0.conv2.weight`) !== undefined; level++) {
    const block = `down_blocks.${level}`;
    for (let i = 0; ; i++) {
      const out = at(`${block}.resnets.${i}.conv2.weight`);
      if (out === undefined) break;
      maps.push(out);
    }
    const halved = at(`${block}.downsamplers.0.conv.weight`);
    if (halved !== undefined) maps.push(halved);
  }
  const hint = 'controlnet_cond_embedding';
  const width = 8;
  add(`${hint}.conv_in`, width, 3, 3, 1.5);
  for (let i = 0; i < Math.log2(downscale); i++) {
    add(`${hint}.blocks.${2 * i}`, width, width, 3, 1.5);
    add(`${hint}.blocks.${2 * i + 1}`, width, width, 3, 1.5);
  }
  add(`${hint}.conv_out`, channels, width, 3, 1.5);
  maps.forEach((size, i) => {
    add(`controlnet_down_blocks.${i}`, size, size, 1, 0.3);
  });
  add('controlnet_mid_block', maps.at(-1)!, maps.at(-1)!, 1, 0.3);
  const { unet } = configOf(parts);
  return { tensors: net, metadata: { 'node-diffusion.config': JSON.stringify({ unet }) } };
}

function firstInputs({ dtype, shape, data }: FileTensor, inputs: number): FileTensor {
  const [out, all, ...kernel] = shape;
  const row = data.length / out;
  const rows = Array.from({ length: out }, (_, i) => data.subarray(i * row, i * row + (row * inputs) / all));
  return { dtype, shape: [out, inputs, ...kernel], data: Buffer.concat(rows) };
}
