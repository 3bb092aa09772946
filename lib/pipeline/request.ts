/** What a request may say: its checks and defaults. Nothing native is touched before it has passed. */
import { randomInt } from 'node:crypto';
import { DiffusionError } from '../errors';
import type { ModelInfo } from '../model/model';
import { checkSeed, type Seed } from '../sampling/noise';
import { resolveSampler, resolveSchedule } from '../sampling/resolve';
import type { SamplerName } from '../sampling/samplers/index';
import type { Schedule, ScheduleName } from '../sampling/schedules';
import type { Sampler } from '../sampling/types';

/** What `onStep` hears after each step. */
export interface StepEvent {
  /** 1 to `steps`. */
  step: number;
  steps: number;
  /** The noise level that the latents have now. */
  sigma: number;
  /** f32 `[batchSize, channels, height / f, width / f]`. */
  latents: Float32Array;
  /** What the latents would be without noise, as the network sees it at this step; same shape. */
  denoised: Float32Array;
}

/** A request for pictures from text. Everything but the prompt has a default; a model file may bring its own. */
export interface Txt2ImgRequest {
  prompt: string;
  /** What to move away from. Default: nothing. */
  negativePrompt?: string;
  /** Pixels, multiples of the VAE's factor (8 for Stable Diffusion). Default: what the model was trained on. */
  width?: number;
  height?: number;
  /** Default 20. */
  steps?: number;
  /** Classifier-free guidance (arXiv 2207.12598); 1 turns it off and halves the work. Default 7. */
  cfgScale?: number;
  /** A name from `samplers`, or a function of the same form. Default `dpmpp_2m`. */
  sampler?: SamplerName | Sampler;
  /** A name from `schedules`, a function of the same form, or the sigmas themselves. Default `karras`. */
  schedule?: ScheduleName | Schedule | readonly number[];
  /** Of the first picture; picture i of a batch has seed + i. Default: random. */
  seed?: Seed;
  /** `philox` draws as a GPU does (and A1111 with source "NV"), `torch` as torch's CPU generator. Default `philox`. */
  rng?: 'philox' | 'torch';
  /** Pictures at once, 1 to 64. Default 1. */
  batchSize?: number;
  /** A1111's meaning: 1 takes the text encoder's last layer, 2 the one before. Default 1. */
  clipSkip?: number;
  /** Stochasticity of the samplers that have one; see each sampler. */
  eta?: number;
  /** Starting latents f32 `[batchSize, channels, height / f, width / f]` at the first sigma, in place of seeded noise. */
  latents?: Float32Array;
  /** Stops the work, inside a step too; the call then rejects with `ABORTED`. */
  signal?: AbortSignal;
  /** Called after each step; a promise is waited for. What it throws ends the request. */
  onStep?: (event: StepEvent) => void | Promise<void>;
}

/** A request with nothing left open. */
export interface ResolvedRequest {
  prompt: string;
  negativePrompt: string;
  width: number;
  height: number;
  steps: number;
  cfgScale: number;
  sampler: Sampler;
  samplerName: string;
  schedule: Schedule;
  scheduleName: string;
  seed: Seed;
  rng: 'philox' | 'torch';
  batchSize: number;
  clipSkip: number;
  eta?: number;
  latents?: Float32Array;
  latentShape: readonly [n: number, channels: number, height: number, width: number];
  signal?: AbortSignal;
  onStep?: (event: StepEvent) => void | Promise<void>;
}

const known = new Set([
  ...['prompt', 'negativePrompt', 'width', 'height', 'steps', 'cfgScale', 'sampler', 'schedule', 'seed', 'rng'],
  ...['batchSize', 'clipSkip', 'eta', 'latents', 'signal', 'onStep'],
]);

/** Throws `INVALID_REQUEST` (or `UNKNOWN_SAMPLER`, `UNKNOWN_SCHEDULE`) with the option, what was expected and what came. */
export function parseRequest(request: Txt2ImgRequest, info: ModelInfo): ResolvedRequest {
  if (typeof request !== 'object' || request === null) refuse('request', 'an object', request);
  for (const name of Object.keys(request)) {
    if (!known.has(name)) {
      const names = [...known].join(', ');
      throw new DiffusionError('INVALID_REQUEST', `${name}: there is no such option; there are ${names}`);
    }
  }
  const factor = info.vae?.downscale ?? 8;
  const channels = info.vae?.latentChannels ?? 4;
  const set = { ...constantDefaults, ...modelDefaults(info), ...definedOnly(request) };

  const width = integer('width', set.width, factor, 16384, factor);
  const height = integer('height', set.height, factor, 16384, factor);
  const batchSize = integer('batchSize', set.batchSize, 1, 64);
  const latentShape = [batchSize, channels, height / factor, width / factor] as const;
  const schedule = resolveSchedule(set.schedule);
  const steps = Array.isArray(set.schedule) ? set.schedule.length - 1 : integer('steps', set.steps, 1, 1000);
  const { signal, onStep, latents } = set;
  if (signal !== undefined && !(signal instanceof AbortSignal)) refuse('signal', 'an AbortSignal', signal);
  if (onStep !== undefined && typeof onStep !== 'function') refuse('onStep', 'a function', onStep);
  if (latents !== undefined) checkLatents(latents, latentShape);

  return {
    prompt: text('prompt', set.prompt),
    negativePrompt: text('negativePrompt', set.negativePrompt),
    width,
    height,
    steps,
    cfgScale: finite('cfgScale', set.cfgScale, 0, 1000),
    sampler: resolveSampler(set.sampler),
    samplerName: nameOf(set.sampler),
    schedule,
    scheduleName: nameOf(set.schedule),
    seed: set.seed === undefined ? randomInt(2 ** 32) : checkSeed(set.seed),
    rng: oneOf('rng', set.rng, ['philox', 'torch']),
    batchSize,
    clipSkip: integer('clipSkip', set.clipSkip, 1, 12),
    eta: set.eta === undefined ? undefined : finite('eta', set.eta, 0, 10),
    latents,
    latentShape,
    signal,
    onStep,
  };
}

const constantDefaults = { negativePrompt: '', rng: 'philox', batchSize: 1, clipSkip: 1 } as const;

type Defaults = Required<Pick<Txt2ImgRequest, 'width' | 'height' | 'steps' | 'cfgScale' | 'sampler' | 'schedule'>>;

/** What the model's family is used to, and what its file says over it. */
function modelDefaults(info: ModelInfo): Defaults {
  const side = info.family === 'sd2' && info.prediction.type === 'v_prediction' ? 768 : 512;
  const own = info.defaults === '' ? {} : (JSON.parse(info.defaults) as Partial<Defaults>);
  return { width: side, height: side, steps: 20, cfgScale: 7, sampler: 'dpmpp_2m', schedule: 'karras', ...own };
}

function definedOnly(request: Txt2ImgRequest): Txt2ImgRequest {
  return Object.fromEntries(
    Object.entries(request).filter(([, value]) => value !== undefined),
  ) as unknown as Txt2ImgRequest;
}

function nameOf(value: unknown): string {
  if (typeof value === 'string') return value;
  return typeof value === 'function' ? value.name || 'custom' : 'custom';
}

function checkLatents(latents: Float32Array, shape: readonly number[]): void {
  const size = shape.reduce((a, b) => a * b);
  if (!(latents instanceof Float32Array) || latents.length !== size) {
    refuse('latents', `a Float32Array of ${shape.join(' x ')} = ${size} values`, latents);
  }
  const bad = latents.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) refuse('latents', `finite values, but value ${bad} is not`, latents);
}

function integer(name: string, value: unknown, least: number, most: number, multiple = 1): number {
  const fits = Number.isInteger(value) && (value as number) >= least && (value as number) <= most;
  const what = multiple === 1 ? `an integer in ${least}..${most}` : `a multiple of ${multiple} in ${least}..${most}`;
  if (!fits || (value as number) % multiple !== 0) refuse(name, what, value);
  return value as number;
}

function finite(name: string, value: unknown, least: number, most: number): number {
  const fits = Number.isFinite(value) && (value as number) >= least && (value as number) <= most;
  if (!fits) refuse(name, `a number in ${least}..${most}`, value);
  return value as number;
}

function text(name: string, value: unknown): string {
  if (typeof value !== 'string') refuse(name, 'a string', value);
  return value as string;
}

function oneOf<T extends string>(name: string, value: T, options: readonly T[]): T {
  if (!options.includes(value)) refuse(name, `one of ${options.join(', ')}`, value);
  return value;
}

function refuse(name: string, expected: string, got: unknown): never {
  throw new DiffusionError('INVALID_REQUEST', `${name}: expected ${expected}, got ${show(got)}`);
}

function show(value: unknown): string {
  if (typeof value === 'string') return `'${value.slice(0, 80)}'`;
  if (value instanceof Float32Array) return `a Float32Array of ${value.length}`;
  return typeof value === 'number' || typeof value === 'bigint' || value == null ? String(value) : typeof value;
}
