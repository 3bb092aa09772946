/** `node-diffusion txt2img`: pictures from a prompt. */
import path from 'node:path';
import { parseArgs } from 'node:util';
import { Pipeline } from '../pipeline/pipeline';
import type { Txt2ImgRequest } from '../pipeline/request';
import type { SamplerName } from '../sampling/samplers/index';
import type { ScheduleName } from '../sampling/schedules';
import { createProgress } from './progress';
import { numberOption, UsageError } from './usage';

export const txt2imgHelp = `node-diffusion "PROMPT" -o OUT.png [options]

  -p, --prompt TEXT          what to draw (or the first argument)
  -o, --output FILE.png      where the picture goes; several become FILE-1.png, FILE-2.png ... (default out.png)
  -m, --model PATH           safetensors or GGUF file, or diffusers folder (default: the embedded avatar model)
      --negative-prompt TEXT what to move away from
      --width N, --height N  pixels
      --steps N              sampling steps
      --cfg-scale X          how strongly the prompt guides; 1 turns guidance off
      --sampler NAME         euler, euler_a, ddim, dpmpp_2m, lcm
      --schedule NAME        discrete, leading, trailing, karras, lcm
      --seed N               the same seed gives the same picture
      --rng NAME             philox or torch
      --batch-size N         pictures at once
      --clip-skip N          1 = none
      --eta X                stochasticity of ancestral samplers and DDIM
      --precision NAME       auto, f32, f16, bf16, q8_0, q4_0, q4_k ...
      --threads N            compute threads
      --memory-budget-mb N   compute buffers; above it pictures are decoded in tiles
      --json                 one JSON object on stdout, no progress bar
      --quiet                no progress bar, no summary`;

const options = {
  prompt: { type: 'string', short: 'p' },
  output: { type: 'string', short: 'o', default: 'out.png' },
  model: { type: 'string', short: 'm' },
  'negative-prompt': { type: 'string' },
  width: { type: 'string' },
  height: { type: 'string' },
  steps: { type: 'string' },
  'cfg-scale': { type: 'string' },
  sampler: { type: 'string' },
  schedule: { type: 'string' },
  seed: { type: 'string' },
  rng: { type: 'string' },
  'batch-size': { type: 'string' },
  'clip-skip': { type: 'string' },
  eta: { type: 'string' },
  precision: { type: 'string' },
  threads: { type: 'string' },
  'memory-budget-mb': { type: 'string' },
  json: { type: 'boolean', default: false },
  quiet: { type: 'boolean', default: false },
} as const;

export async function txt2img(args: string[], signal: AbortSignal): Promise<void> {
  const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
  const prompt = values.prompt ?? positionals.shift();
  if (prompt === undefined) throw new UsageError('a prompt is needed: node-diffusion "a smiling woman" -o out.png');
  if (positionals.length > 0)
    throw new UsageError(`unexpected argument '${positionals[0]}' (put the prompt in quotes)`);
  if (path.extname(values.output).toLowerCase() !== '.png') {
    throw new UsageError(`--output: expected a file name that ends in .png, got '${values.output}'`);
  }
  const number = (name: keyof typeof options) => numberOption(name, values[name] as string | undefined);
  const request: Txt2ImgRequest = {
    prompt,
    negativePrompt: values['negative-prompt'],
    width: number('width'),
    height: number('height'),
    steps: number('steps'),
    cfgScale: number('cfg-scale'),
    sampler: values.sampler as SamplerName,
    schedule: values.schedule as ScheduleName,
    seed: seedOption(values.seed),
    rng: values.rng as 'philox',
    batchSize: number('batch-size'),
    clipSkip: number('clip-skip'),
    eta: number('eta'),
    signal,
  };

  const progress = values.json || values.quiet ? { update() {}, clear() {} } : createProgress();
  const budget = number('memory-budget-mb');
  const started = performance.now();
  try {
    await using pipeline = await Pipeline.load(values.model, {
      precision: values.precision,
      threads: number('threads'),
      memoryBudgetBytes: budget === undefined ? undefined : budget * 2 ** 20,
      onProgress: (fraction) => progress.update('loading ', fraction, 1),
      signal,
    });
    const loaded = performance.now();
    const { images, seeds, tokensLeftOut } = await pipeline.txt2img({
      ...request,
      onStep: ({ step, steps }) => progress.update('sampling', step, steps),
    });
    const drawn = performance.now();
    const files = images.map((_, i) => (images.length === 1 ? values.output : numbered(values.output, i + 1)));
    await Promise.all(images.map((image, i) => image.save(files[i])));
    progress.clear();

    const seconds = { load: (loaded - started) / 1000, draw: (drawn - loaded) / 1000 };
    if (values.json) {
      const { width, height } = images[0];
      const list = files.map((file, i) => ({ file, seed: Number(seeds[i]), width, height }));
      console.log(JSON.stringify({ images: list, prompt, seconds, tokensLeftOut }));
    } else if (!values.quiet) {
      if (tokensLeftOut.prompt > 0)
        console.error(`the prompt is too long: its last ${tokensLeftOut.prompt} tokens were left out`);
      console.error(
        `${files.join(', ')}  (seed ${seeds[0]}, ${seconds.draw.toFixed(2)} s, loaded in ${seconds.load.toFixed(2)} s)`,
      );
    }
  } finally {
    progress.clear();
  }
}

/** A number, or a bigint beyond 2^53. */
function seedOption(value: string | undefined): number | bigint | undefined {
  if (value === undefined) return undefined;
  if (!/^\d+$/.test(value)) throw new UsageError(`--seed: expected a whole number, got '${value}'`);
  return BigInt(value) <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : BigInt(value);
}

function numbered(file: string, n: number): string {
  const { dir, name, ext } = path.parse(file);
  return path.join(dir, `${name}-${n}${ext}`);
}
