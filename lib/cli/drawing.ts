/** What the subcommands that draw pictures share: options, loading, progress, saving, and what they say at the end. */
import path from 'node:path';
import { checkWritable } from '../files';
import type { Prediction } from '../model/prediction';
import type { PipelineOptions } from '../pipeline/pipeline';
import type { SamplingRequest } from '../pipeline/sampling-request';
import type { UnconditionalResult } from '../pipeline/unconditional';
import { type SamplerName, samplers } from '../sampling/samplers/index';
import { type ScheduleName, schedules } from '../sampling/schedules';
import { networkOptions } from './network-options';
import { print } from './print';
import { createProgress } from './progress';
import { numberOption, UsageError } from './usage';

export const drawingOptions = {
  output: { type: 'string', short: 'o', default: 'out.png' },
  model: { type: 'string', short: 'm' },
  width: { type: 'string' },
  height: { type: 'string' },
  steps: { type: 'string' },
  sampler: { type: 'string' },
  schedule: { type: 'string' },
  seed: { type: 'string' },
  subseed: { type: 'string' },
  'subseed-strength': { type: 'string' },
  rng: { type: 'string' },
  eta: { type: 'string' },
  device: { type: 'string' },
  precision: { type: 'string' },
  threads: { type: 'string' },
  'memory-budget-mb': { type: 'string' },
  prediction: { type: 'string' },
  'zero-terminal-snr': { type: 'boolean' },
  'flow-shift': { type: 'string' },
  deterministic: { type: 'boolean' },
  json: { type: 'boolean', default: false },
  quiet: { type: 'boolean', default: false },
} as const;

type Flags = 'zero-terminal-snr' | 'deterministic';

/** The options' texts as parseArgs gives them. */
export type DrawingValues = { output: string; json: boolean; quiet: boolean; vae?: string } & {
  [name in Flags]?: boolean;
} & {
  [name in Exclude<keyof typeof drawingOptions, 'output' | 'json' | 'quiet' | Flags>]?: string;
};

export const drawingHelp = `\
      --width N, --height N  pixels
      --steps N              sampling steps
      --sampler NAME         ${list(Object.keys(samplers))}
      --schedule NAME        ${list(Object.keys(schedules))}
      --seed N               the same seed gives the same picture
      --subseed N            of a variation of that picture
      --subseed-strength X   how far it goes, 0 to 1
      --rng NAME             philox or torch
      --eta X                stochasticity of the samplers that have one
      --device NAME          auto, cpu, cuda, metal or vulkan, as \`node-diffusion devices\` lists them (default auto)
      --precision NAME       auto, f32, f16, bf16, q8_0, q4_0, q4_k ...
      --threads N            compute threads
      --memory-budget-mb N   compute buffers; above it pictures are decoded in tiles
      --prediction NAME      epsilon, v_prediction, x0 or flow, where the model's file does not say
      --zero-terminal-snr    it was trained on levels that end in pure noise
      --flow-shift X         how much a flow's levels are moved up
      --deterministic        prints a hash of each stage, which tell where two machines part
      --json                 one JSON object on stdout, no progress bar; seeds of 2^53 and more are strings in it
      --quiet                no progress bar, no summary`;

/** What was drawn, and what --json tells of it beside files and seconds. */
export interface Drawn extends UnconditionalResult {
  facts?: Record<string, unknown>;
  /** A sentence for stderr. */
  warning?: string;
}

/** What the options say of a request; throws UsageError. */
export function samplingRequest(values: DrawingValues): Omit<SamplingRequest, 'onStep' | 'signal' | 'latents'> {
  if (!/\.(png|jpe?g|webp)$/i.test(values.output)) {
    const expected = 'a file name that ends in .png, .jpg, .jpeg or .webp';
    throw new UsageError(`--output: expected ${expected}, got '${values.output}'`);
  }
  return {
    width: numberOption('width', values.width),
    height: numberOption('height', values.height),
    steps: numberOption('steps', values.steps),
    sampler: values.sampler as SamplerName,
    schedule: values.schedule as ScheduleName,
    seed: seedOption('seed', values.seed),
    subseed: seedOption('subseed', values.subseed),
    subseedStrength: numberOption('subseed-strength', values['subseed-strength']),
    rng: values.rng as 'philox',
    eta: numberOption('eta', values.eta),
    deterministic: values.deterministic,
  };
}

/** Loads a pipeline, draws with it, saves the pictures, and says so. */
export async function draw<P extends AsyncDisposable>(
  values: DrawingValues,
  signal: AbortSignal,
  load: (model: string | undefined, options: PipelineOptions) => Promise<P>,
  generate: (pipeline: P, onStep: NonNullable<SamplingRequest['onStep']>) => Promise<Drawn>,
): Promise<void> {
  const progress = createProgress(values.json || values.quiet);
  const network = networkOptions(values);
  const flowShift = numberOption('flow-shift', values['flow-shift']);
  await checkWritable(values.output);
  const started = performance.now();
  try {
    await using pipeline = await load(values.model, {
      ...network,
      vae: values.vae,
      prediction: values.prediction as Prediction,
      zeroTerminalSnr: values['zero-terminal-snr'],
      flowShift,
      onProgress: (fraction) => progress.update('loading ', fraction, 1),
      signal,
    });
    const loaded = performance.now();
    const drawn = await generate(pipeline, ({ step, steps }) => progress.update('sampling', step, steps));
    const seconds = { load: (loaded - started) / 1000, draw: (performance.now() - loaded) / 1000 };
    const files = await save(drawn.images, values.output);
    progress.clear();
    if (values.json) await printJson(drawn, files, seconds);
    else if (!values.quiet) printSummary(drawn, files, seconds);
    if (!values.json) await printHashes(drawn);
  } finally {
    progress.clear();
  }
}

interface Seconds {
  load: number;
  draw: number;
}

async function printJson(drawn: Drawn, files: string[], seconds: Seconds): Promise<void> {
  const { images, seeds, hashes, facts } = drawn;
  const { width, height } = images[0];
  const pictures = files.map((file, i) => ({ file, seed: jsonSeed(seeds[i]), width, height }));
  await print(JSON.stringify({ images: pictures, ...facts, hashes, seconds }));
}

/** JSON's numbers are exact below 2^53; `--seed` takes the text too. */
function jsonSeed(seed: number | bigint): number | string {
  return Number.isSafeInteger(Number(seed)) ? Number(seed) : String(seed);
}

function printSummary({ seeds, warning }: Drawn, files: string[], { load, draw }: Seconds): void {
  if (warning) console.error(warning);
  console.error(`${files.join(', ')}  (seed ${seeds[0]}, ${draw.toFixed(2)} s, loaded in ${load.toFixed(2)} s)`);
}

/** On stdout, a line each, for diff. */
async function printHashes({ hashes }: Drawn): Promise<void> {
  for (const [stage, list] of Object.entries(hashes ?? {})) {
    for (const [i, hash] of list.entries()) await print(`${stage} ${i + 1} ${hash}`);
  }
}

/** Several pictures become FILE-1.png, FILE-2.png ... */
async function save(images: UnconditionalResult['images'], output: string): Promise<string[]> {
  const { dir, name, ext } = path.parse(output);
  const files = images.map((_, i) => (images.length === 1 ? output : path.join(dir, `${name}-${i + 1}${ext}`)));
  await Promise.all(images.map((image, i) => image.save(files[i])));
  return files;
}

/** A number, or a bigint beyond 2^53. */
function seedOption(name: string, value: string | undefined): number | bigint | undefined {
  if (value === undefined) return undefined;
  if (!/^\d+$/.test(value)) throw new UsageError(`--${name}: expected a whole number, got '${value}'`);
  return BigInt(value) <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : BigInt(value);
}

/** Names in lines of the help's second column. */
function list(names: readonly string[]): string {
  const lines = [''];
  for (const [i, name] of names.entries()) {
    const text = i + 1 < names.length ? `${name}, ` : name;
    if (lines.at(-1)!.length + text.length > 70) lines.push('');
    lines[lines.length - 1] += text;
  }
  return lines.map((line) => line.trimEnd()).join(`\n${' '.repeat(29)}`);
}
