/** `node-diffusion convert`: writes a model as one file in other number formats. */
import { realpath } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { type ConversionRule, convertModel } from '../model/convert';
import { print } from './print';
import { createProgress } from './progress';
import { numberOption, UsageError } from './usage';

export const convertHelp = `node-diffusion convert INPUT OUTPUT [options]

  Writes a model (safetensors, GGUF, .ckpt, diffusers folder) as one file, GGUF or safetensors by OUTPUT's ending.

  --type TYPE           number format of the weights: auto (the file's), f32, f16, bf16, and in GGUF files q8_0, q4_0, q4_k, ...
  --rule PATTERN=TYPE   another type for tensors by their names, e.g. --rule 'vae.*=f16'; * stands for any characters;
                        may be repeated, and the first that matches counts; one that matches no name is an error
  --vae PATH            takes the VAE from another model
  --replace             lets OUTPUT be the file that is read
  --threads N           default: as many as the machine runs at once
  --json                prints the result as JSON`;

export async function convert(args: string[], signal: AbortSignal): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    options: {
      type: { type: 'string' },
      rule: { type: 'string', multiple: true, default: [] },
      vae: { type: 'string' },
      replace: { type: 'boolean', default: false },
      threads: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
    allowPositionals: true,
  });
  const [input, output, unexpected] = positionals;
  if (output === undefined) throw new UsageError('expected two paths: node-diffusion convert INPUT OUTPUT');
  if (unexpected !== undefined) throw new UsageError(`unexpected argument '${unexpected}'`);
  for (const source of values.replace ? [] : [input, values.vae]) {
    if (source !== undefined && (await isSameFile(source, output)))
      throw new UsageError(`${output} is read and would be replaced: choose another OUTPUT, or say --replace`);
  }
  const progress = createProgress();
  const result = await convertModel(input, output, {
    type: values.type,
    rules: values.rule.map(parseRule),
    vae: values.vae,
    threads: numberOption('threads', values.threads),
    signal,
    onProgress: (fraction) => progress.update('converting', fraction, 1),
  }).finally(() => progress.clear());
  if (values.json) {
    await print(JSON.stringify({ output, ...result }));
    return;
  }
  const types = Object.entries(result.typeBytes).map(([type, bytes]) => `${type} ${megabytes(bytes)}`);
  await print(
    `${output}: ${result.format}, ${megabytes(result.bytes)}, ${result.tensors} tensors (${types.join(', ')})`,
  );
}

async function isSameFile(a: string, b: string): Promise<boolean> {
  const [first, second] = await Promise.all([a, b].map((file) => realpath(file).catch(() => undefined)));
  return first !== undefined && first === second;
}

function parseRule(text: string): ConversionRule {
  const at = text.lastIndexOf('=');
  if (at < 1) throw new UsageError(`--rule: expected PATTERN=TYPE, got '${text}'`);
  return { pattern: text.slice(0, at), type: text.slice(at + 1) };
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
