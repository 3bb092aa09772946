/** From noise to latents: what every request does between its conditioning and its pictures. */
import { throwIfAborted } from '../model/cancellation';
import type { ModelInfo, PlanesShape } from '../model/model';
import { type BetaSchedule, createFlowNoiseModel, createNoiseModel, type NoiseModel } from '../sampling/noise-model';
import { heldSteps } from '../sampling/own';
import type { DenoisedPair } from '../sampling/types';
import { clipped } from './clip';
import { createPairDenoiser } from './denoiser';
import { type Kept, keepLatents } from './mask';
import type { AnswerMemory } from './memory';
import type { ResolvedSampling, StepEvent } from './sampling-request';

/** When the network is evaluated. */
export interface Evaluation {
  /** Counted from 1; a sampler may evaluate more than once a step. */
  readonly step: number;
  readonly sigma: number;
  /** Whether the sampler steps with the unconditional prediction too. */
  readonly both: boolean;
}

/** Guidance applied, and the unconditional prediction alone (the guided one where none was made). */
export interface Predicted {
  guided: Float32Array;
  unconditional: Float32Array;
}

/** `x` f32 `[N, C, H, W]`, scaled to unit variance -> predictions of the same shape. */
export type Network = (x: Float32Array, timestep: number, at: Evaluation) => Promise<Predicted>;

/** A way down from noise. */
export interface Descent {
  /** `[N, C, H, W]` */
  readonly shape: PlanesShape;
  readonly sigmas: readonly number[];
  /** The latents at the first sigma. */
  readonly start: Float32Array;
  readonly noise: () => Float32Array;
  /** What a mask holds to the original. */
  readonly kept?: Kept;
}

/** Yields after each step; ends with the last step's latents. */
export async function* sampleLatents(
  { prediction }: Pick<ModelInfo, 'prediction'>,
  request: Pick<ResolvedSampling, 'sampler' | 'eta' | 'witness' | 'signal'>,
  network: Network,
  { shape, sigmas, start, noise, kept }: Descent,
  memory?: AnswerMemory,
): AsyncGenerator<StepEvent, void, void> {
  const noiseModel = noiseModelOf(prediction);
  request.witness?.see('start', start);
  let step = 0;

  // 1. The network as a denoiser.
  const evaluate = async (x: Float32Array, sigma: number, both: boolean): Promise<DenoisedPair> => {
    const denoisePair = createPairDenoiser({
      ...{ model: noiseModel, prediction: prediction.type },
      predictPair: (input, timestep) => network(input, timestep, { step: step + 1, sigma, both }),
    });
    if (!kept) return clipped(await denoisePair(x, sigma), prediction.clipRange);
    const pair = await denoisePair(keepLatents(x, kept, sigma), sigma);
    return { denoised: keepLatents(pair.denoised, kept, 0), unconditional: keepLatents(pair.unconditional, kept, 0) };
  };
  const remembered = memory ? memory.remembering(evaluate) : evaluate;

  // 2. Steps.
  const options = {
    ...{ noise, noiseModel },
    ...(request.eta === undefined ? {} : { eta: request.eta }),
  };
  for await (const { x, denoised } of heldSteps(request.sampler, remembered, start, sigmas, options)) {
    throwIfAborted(request.signal);
    step++;
    const sigma = sigmas[step];
    const latents = kept ? keepLatents(x, kept, sigma) : x;
    request.witness?.see('steps', latents);
    yield { step, steps: sigmas.length - 1, sigma, latents, denoised, shape };
  }
}

/** Runs all steps, telling each -> the last step. */
export async function lastStep(
  events: AsyncIterable<StepEvent>,
  tell?: (event: StepEvent) => unknown,
): Promise<StepEvent> {
  let last: StepEvent | undefined;
  for await (const event of events) {
    last = event;
    await tell?.(event);
  }
  return last!; // a descent has a step at least
}

/** The noise levels that a model was trained on. */
export function noiseModelOf(prediction: ModelInfo['prediction']): NoiseModel {
  const { type, trainSteps, flowShift: shift } = prediction;
  if (type === 'flow') return createFlowNoiseModel({ trainSteps, shift });
  return createNoiseModel({ ...prediction, betaSchedule: prediction.betaSchedule as BetaSchedule });
}
