/** `node-diffusion convert`: writes a model as one file in other number formats. */
import { parseArgs } from 'node:util';
import { type ConversionRule, convertModel } from '../model/convert';
import { createProgress } from './progress';
import { numberOption, UsageError } from './usage';

export const convertHelp = `node-diffusion convert INPUT OUTPUT [options]

  Writes a model (safetensors, GGUF, .ckpt, diffusers folder) as one file, GGUF or safetensors by OUTPUT's ending.

  --type TYPE           number format of the weights: auto (the file's), f32, f16, bf16, and in GGUF files q8_0, q4_0, q4_k, ...
  --rule PATTERN=TYPE   another type for tensors by their names, e.g. --rule 'vae.*=f16'; * stands for any characters;
                        may be repeated, and the first that matches counts
  --vae PATH            takes the VAE from another model
  --threads N           default: as many as the machine runs at once
  --json                prints the result as JSON`;

export async function convert(args: string[], signal: AbortSignal): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    options: {
      type: { type: 'string' },
      rule: { type: 'string', multiple: true, default: [] },
      vae: { type: 'string' },
      threads: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
    allowPositionals: true,
  });
  const [input, output, unexpected] = positionals;
  if (output === undefined) throw new UsageError('expected two paths: node-diffusion convert INPUT OUTPUT');
  if (unexpected !== undefined) throw new UsageError(`unexpected argument '${unexpected}'`);
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
    console.log(JSON.stringify({ output, ...result }));
    return;
  }
  const types = Object.entries(result.typeBytes).map(([type, bytes]) => `${type} ${megabytes(bytes)}`);
  console.log(
    `${output}: ${result.format}, ${megabytes(result.bytes)}, ${result.tensors} tensors (${types.join(', ')})`,
  );
}

function parseRule(text: string): ConversionRule {
  const at = text.lastIndexOf('=');
  if (at < 1) throw new UsageError(`--rule: expected PATTERN=TYPE, got '${text}'`);
  return { pattern: text.slice(0, at), type: text.slice(at + 1) };
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
