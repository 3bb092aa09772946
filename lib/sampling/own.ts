/** Holds samplers and schedules to what docs/guides/samplers.md asks of them: what breaks it is refused by name. */
import { DiffusionError } from '../errors';
import type { DenoisedPair, Sampler, SamplerStep } from './types';

/** Evaluates the network: `x` f32 at `sigma`, with the unconditional half where `both`. */
export type Evaluate = (x: Float32Array, sigma: number, both: boolean) => Promise<DenoisedPair>;

/** Throws `INVALID_REQUEST`. */
export function refuseOwn(option: 'sampler' | 'schedule', expected: string, got: string): never {
  throw new DiffusionError('INVALID_REQUEST', `${option}: expected ${expected}, got ${got}`);
}

/** What a value is, in a few words. A promise that is refused may reject: that is not what ends the process. */
export function kindOf(value: unknown): string {
  if (typeof value === 'function') return 'a function';
  if (typeof value !== 'object' || value === null) return String(value).slice(0, 80);
  if (typeof (value as { then?: unknown }).then === 'function') {
    Promise.resolve(value).catch(() => {});
    return 'a promise';
  }
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (ArrayBuffer.isView(value)) return `a ${value.constructor.name} of ${(value as Uint8Array).length}`;
  return Symbol.iterator in value ? 'an iterable that is not async' : 'an object';
}

/**
 * The steps of a sampler, one less than there are sigmas. Throws `INVALID_REQUEST` where it is no async generator, yields more
 * or fewer steps or others than `{ x, denoised }` of x's length, or gives `denoise` something else than such an x and a sigma above 0.
 */
export async function* heldSteps(
  sampler: Sampler,
  evaluate: Evaluate,
  x: Float32Array,
  sigmas: readonly number[],
  options: Omit<Parameters<Sampler>[3], 'denoisePair'>,
): AsyncGenerator<SamplerStep, void, void> {
  const wanted = sigmas.length - 1;
  const latents = (value: unknown) => value instanceof Float32Array && value.length === x.length;
  const asked = async (input: Float32Array, sigma: number, both: boolean): Promise<DenoisedPair> => {
    if (!latents(input)) refuseOwn('sampler', `denoise to be given a Float32Array of ${x.length}`, kindOf(input));
    const fits = Number.isFinite(sigma) && sigma > 0;
    if (!fits) refuseOwn('sampler', 'denoise to be given a finite sigma above 0', kindOf(sigma));
    return evaluate(input, sigma, both);
  };
  const half = async (input: Float32Array, sigma: number) => (await asked(input, sigma, false)).denoised;
  const denoise = (input: Float32Array, sigma: number) => watched(half(input, sigma));
  const denoisePair = (input: Float32Array, sigma: number) => watched(asked(input, sigma, true));

  const steps: unknown = sampler(denoise, x, sigmas, { ...options, denoisePair });
  if (!isAsyncIterable(steps))
    return refuseOwn('sampler', 'an async generator function', `one that gives ${kindOf(steps)}`);
  const all = `it to yield as many steps as there are sigmas, less one: ${wanted}`;
  let taken = 0;
  for await (const step of steps) {
    if (taken === wanted) refuseOwn('sampler', all, 'more');
    taken++;
    if (typeof step !== 'object' || step === null) {
      refuseOwn('sampler', `it to yield { x, denoised } at step ${taken}`, kindOf(step));
    }
    for (const name of ['x', 'denoised'] as const) {
      if (latents(step[name])) continue;
      refuseOwn('sampler', `it to yield ${name} as a Float32Array of ${x.length} at step ${taken}`, kindOf(step[name]));
    }
    yield step;
  }
  if (taken < wanted) refuseOwn('sampler', all, `${taken}`);
}

/** An evaluation that a sampler does not wait for may fail after the request's end: that is not what ends the process. */
function watched<T>(answer: Promise<T>): Promise<T> {
  answer.catch(() => {});
  return answer;
}

function isAsyncIterable(value: unknown): value is AsyncIterable<SamplerStep> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value;
}
