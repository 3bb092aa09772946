/** Model files that tests make of fixtures: safetensors, diffusers folders (torch-file.ts: PyTorch's). */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { networkPath } from './safetensors';
import { writeTorchFile } from './torch-file';

export interface FileTensor {
  dtype: string;
  shape: number[];
  data: Buffer;
}

export type Tensors = Map<string, FileTensor>;

export interface ModelParts {
  tensors: Tensors;
  metadata: Record<string, string>;
}

export function readTensors(file: string): ModelParts {
  const bytes = readFileSync(file);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const { __metadata__: metadata = {}, ...entries } = JSON.parse(bytes.subarray(8, start).toString());
  const tensors: Tensors = new Map();
  for (const [name, { dtype, shape, data_offsets: offsets }] of Object.entries<Record<string, never>>(entries)) {
    const [begin, end] = offsets as [number, number];
    tensors.set(name, { dtype, shape, data: bytes.subarray(start + begin, start + end) });
  }
  return { tensors, metadata };
}

export function writeTensors(file: string, { tensors, metadata }: ModelParts): string {
  const header: Record<string, unknown> = { __metadata__: metadata };
  let at = 0;
  for (const [name, { dtype, shape, data }] of tensors) {
    header[name] = { dtype, shape, data_offsets: [at, at + data.length] };
    at += data.length;
  }
  const text = Buffer.from(JSON.stringify(header));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(text.length));
  writeFileSync(file, Buffer.concat([size, text, ...[...tensors.values()].map(({ data }) => data)]));
  return file;
}

/** A fixture of test/fixtures/networks/families.py: the UNet of that name with the parts of `sdxl` that it is used with. */
export function familyParts(name: string, others: readonly string[] = []): ModelParts {
  const whole = readTensors(networkPath('sdxl.safetensors'));
  const own = name === 'sdxl' ? whole : readTensors(networkPath(`${name}.safetensors`));
  const isWanted = (tensor: string) =>
    tensor.startsWith('unet.') ? false : others.some((part) => tensor.startsWith(`${part}.`));
  const tensors: Tensors = new Map([
    ...[...own.tensors].filter(([tensor]) => tensor.startsWith('unet.')),
    ...[...whole.tensors].filter(([tensor]) => isWanted(tensor)),
  ]);
  const config = { ...configOf(whole), ...configOf(own) };
  return { tensors, metadata: { ...whole.metadata, 'node-diffusion.config': JSON.stringify(config) } };
}

// biome-ignore lint/suspicious/noExplicitAny: JSON of the generator
export function configOf({ metadata }: ModelParts): any {
  return JSON.parse(metadata['node-diffusion.config']);
}

/**
 * As diffusers' save_pretrained writes it, its weights in safetensors or, as it used to, in PyTorch's format. `index` is what
 * model_index.json says.
 */
export function writeFolder(folder: string, parts: ModelParts, index: object = {}, pickled = false): string {
  const config = configOf(parts);
  const [network, encoder] = ['diffusion_pytorch_model', pickled ? 'pytorch_model' : 'model'];
  const files = { unet: network, vae: network, text_encoder: encoder, text_encoder_2: encoder };
  for (const [component, file] of Object.entries(files)) {
    const own = [...parts.tensors].filter(([name]) => name.startsWith(`${component}.`));
    if (own.length === 0) continue;
    const tensors: Tensors = new Map(own.map(([name, tensor]) => [name.slice(component.length + 1), tensor]));
    mkdirSync(path.join(folder, component), { recursive: true });
    if (pickled) writeTorchFile(path.join(folder, component, `${file}.bin`), tensors);
    else writeTensors(path.join(folder, component, `${file}.safetensors`), { tensors, metadata: { format: 'pt' } });
    writeFileSync(path.join(folder, component, 'config.json'), JSON.stringify(config[component]));
  }
  for (const [name, value] of Object.entries({ 'scheduler/scheduler_config': config.scheduler, model_index: index })) {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    writeFileSync(path.join(folder, `${name}.json`), JSON.stringify(value));
  }
  const merges = parts.metadata['node-diffusion.merges'];
  if (merges === undefined) return folder;
  mkdirSync(path.join(folder, 'tokenizer'), { recursive: true });
  writeFileSync(path.join(folder, 'tokenizer', 'merges.txt'), `#version: 0.2\n${merges}\n`);
  return folder;
}
