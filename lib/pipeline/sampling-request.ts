/** What every request may say, with or without a prompt: size, steps, sampler, seed. */
import { randomInt } from 'node:crypto';
import type { Image } from '../image/image';
import type { PlanesShape } from '../model/model';
import { checkSeed, type Seed } from '../sampling/noise';
import { resolveSampler, resolveSchedule } from '../sampling/resolve';
import type { SamplerName } from '../sampling/samplers/index';
import type { OwnSchedule, Schedule, ScheduleName } from '../sampling/schedules';
import type { Sampler } from '../sampling/types';
import { boolean, finite, integer, oneOf, refuse } from './checks';
import { Witness } from './witness';

/** A step that was taken. */
export interface StepEvent {
  /** 1 to `steps`. */
  step: number;
  /** That are taken in all. */
  steps: number;
  /** The noise level that the latents have now. */
  sigma: number;
  /** f32 `[batchSize, channels, height / f, width / f]`; pixels where the model is unconditional. */
  latents: Float32Array;
  /** What the latents would be without noise, as the network sees it at this step; same shape. */
  denoised: Float32Array;
  /** `[batchSize, channels, height / f, width / f]` */
  shape: PlanesShape;
}

/** A step of a pipeline's `steps`. */
export interface PipelineStep extends StepEvent {
  /** Decodes this step: the denoised latents as a preview, at the last step the finished pictures. */
  decode(): Promise<Image[]>;
  /**
   * A quick look at the denoised latents: for Stable Diffusion 1 and 2 a pixel for each latent, which takes a linear
   * map instead of the VAE; for other models the same as `decode`; by the tiny VAE where the pipeline has one.
   */
  preview(): Promise<Image[]>;
}

/** Everything has a default; a model file may bring its own. */
export interface SamplingRequest {
  /** Pixels, multiples of the VAE's factor (8 for Stable Diffusion). Default: what the model was trained on. */
  width?: number;
  /** As `width`. */
  height?: number;
  /** Default 20; 50 for unconditional models. */
  steps?: number;
  /** A name from `samplers`, or a function of the same form. Default `dpmpp_2m`; `ddim` for unconditional models. */
  sampler?: SamplerName | Sampler;
  /**
   * A name from `schedules`, a function of the same form, or the sigmas themselves, whose number sets the steps. Default `karras`; `trailing` for unconditional
   * models, flows, and models of zero terminal SNR.
   */
  schedule?: ScheduleName | OwnSchedule | readonly number[] | Float32Array;
  /** Of the first picture; picture i of a batch has seed + i, as a bigint beyond 2^53 - 1. Default: random. */
  seed?: Seed;
  /** Of the first picture's variation, which is mixed into the noise by `subseedStrength`. Default: random. */
  subseed?: Seed;
  /** 0, no variation, to 1, the noise of `subseed` alone. Above 0 all pictures have `seed`, and picture i `subseed` + i. Default 0. */
  subseedStrength?: number;
  /** `philox` draws as a GPU does (and A1111 with source "NV"), `torch` as torch's CPU generator. Default `philox`. */
  rng?: 'philox' | 'torch';
  /** Pictures at once, 1 to 64; of each prompt where there are several. Default 1. */
  batchSize?: number;
  /** Stochasticity of the samplers that have one; see each sampler. */
  eta?: number;
  /** Starting latents f32 `[batchSize, channels, height / f, width / f]` at the first sigma, in place of seeded noise. */
  latents?: Float32Array;
  /**
   * Whose turn it is where several requests are under way: at each step those of the highest priority go first, the longest waiting of
   * them, and the others wait as long as there are such. -100 to 100. Default 0.
   */
  priority?: number;
  /** Whether the result has `hashes`, which tell where two machines part. Default false; pictures are the same either way. */
  deterministic?: boolean;
  /** Stops the work, inside a step too; the call then rejects with `ABORTED`. */
  signal?: AbortSignal;
  /** Called after each step; a promise is waited for, until an abort or a disposal ends the request. What it throws ends the request. */
  onStep?: OnStep;
}

/** Hears of each step; a promise is waited for, until an abort or a disposal ends the request. */
export type OnStep = (event: StepEvent) => void | Promise<void>;

export const samplingOptions = [
  ...['width', 'height', 'steps', 'sampler', 'schedule', 'seed', 'subseed', 'subseedStrength', 'rng', 'batchSize'],
  ...['eta', 'latents', 'priority', 'deterministic', 'signal', 'onStep'],
];

/** A request with nothing left open. */
export interface ResolvedSampling {
  width: number;
  height: number;
  steps: number;
  sampler: Sampler;
  samplerName: string;
  schedule: Schedule;
  scheduleName: string;
  seed: Seed;
  subseed: Seed;
  subseedStrength: number;
  rng: 'philox' | 'torch';
  /** Pictures in all. */
  batchSize: number;
  eta?: number;
  latents?: Float32Array;
  latentShape: PlanesShape;
  priority: number;
  /** Where hashes are wanted. */
  witness?: Witness;
  signal?: AbortSignal;
  onStep?: OnStep;
}

/** How pictures become latents: sides are multiples of `multiple` and divided by `factor`. */
export interface Geometry {
  multiple: number;
  factor: number;
  channels: number;
}

/** What neither the request nor the model tells. */
export type SamplingDefaults = Required<Pick<SamplingRequest, 'steps' | 'sampler' | 'schedule'>> & SamplingRequest;

/**
 * Throws `INVALID_REQUEST` (or `UNKNOWN_SAMPLER`, `UNKNOWN_SCHEDULE`) with the option, what was expected and what came.
 *
 * @param prompts each of which has `batchSize` pictures
 */
export function parseSampling(
  request: SamplingDefaults,
  { multiple, factor, channels }: Geometry,
  prompts = 1,
): ResolvedSampling {
  const { signal, onStep, latents, seed, subseed, eta } = request;
  const width = integer('width', request.width, multiple, 16384, multiple);
  const height = integer('height', request.height, multiple, 16384, multiple);
  const most = Math.max(1, Math.floor(64 / prompts));
  const batchSize = prompts * integer('batchSize', request.batchSize ?? 1, 1, most);
  const latentShape = [batchSize, channels, height / factor, width / factor] as const;
  const schedule = resolveSchedule(request.schedule);
  const steps = schedule.steps ?? integer('steps', request.steps, 1, 1000);
  if (signal !== undefined && !(signal instanceof AbortSignal)) refuse('signal', 'an AbortSignal', signal);
  if (onStep !== undefined && typeof onStep !== 'function') refuse('onStep', 'a function', onStep);
  if (latents !== undefined) checkLatents(latents, latentShape);

  return {
    width,
    height,
    steps,
    sampler: resolveSampler(request.sampler),
    samplerName: nameOf(request.sampler),
    schedule,
    scheduleName: nameOf(request.schedule),
    seed: seed === undefined ? randomInt(2 ** 32) : checkSeed(seed),
    subseed: subseed === undefined ? randomInt(2 ** 32) : checkSeed(subseed),
    subseedStrength: finite('subseedStrength', request.subseedStrength ?? 0, 0, 1),
    rng: oneOf('rng', request.rng ?? 'philox', ['philox', 'torch']),
    batchSize,
    eta: eta === undefined ? undefined : finite('eta', eta, 0, 10),
    latents,
    latentShape,
    ...(boolean('deterministic', request.deterministic ?? false) ? { witness: new Witness() } : {}),
    priority: finite('priority', request.priority ?? 0, -100, 100),
    signal,
    onStep,
  };
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
