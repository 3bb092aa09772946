/** Every kind of prediction seen as one: the network's output at a noise level becomes the noise-free latents. */
import { DiffusionError } from '../errors';
import type { Prediction } from '../model/prediction';
import type { NoiseModel } from '../sampling/noise-model';
import type { Denoise, DenoisePair } from '../sampling/types';
import { weightedSum } from '../sampling/vector';

export type { Prediction };

/** The network: `x` f32 scaled to unit variance, `timestep` possibly fractional -> its prediction. */
export type PredictNoise = (x: Float32Array, timestep: number) => Promise<Float32Array>;

/** The network with its unconditional half kept: both predictions of x's length. */
export type PredictPair = (
  x: Float32Array,
  timestep: number,
) => Promise<{ readonly guided: Float32Array; readonly unconditional: Float32Array }>;

/** A network, as far as a denoiser has to know it. */
export interface DenoisedNetwork {
  /** The noise levels of its timesteps. */
  model: NoiseModel;
  /** What it predicts. */
  prediction: Prediction;
}

/** For {@link createDenoiser}. */
export interface DenoiserOptions extends DenoisedNetwork {
  /** Gives one prediction of x's length, guidance already applied. */
  predictNoise: PredictNoise;
}

/** For {@link createPairDenoiser}. */
export interface PairDenoiserOptions extends DenoisedNetwork {
  /** Gives both predictions, of x's length each. */
  predictPair: PredictPair;
}

/**
 * The network as a {@link Denoise}. It sees `x / sqrt(sigma^2 + 1)`, the variance-preserving form that it was trained
 * on, or for flow `x / (sigma + 1)`; its prediction is turned into denoised latents by the preconditioning of arXiv
 * 2206.00364, table 1 (epsilon) and 2202.00512 (velocity). The timestep is the noise model's; for flow it is the share
 * of noise, `sigma / (sigma + 1)`, times trainSteps. The denoiser rejects with `INVALID_ARGUMENT` where the prediction
 * has another length than x.
 *
 * @param options the network, what it predicts, and over which noise levels
 */
export function createDenoiser({ model, prediction, predictNoise }: DenoiserOptions): Denoise {
  const { input, timestep, denoised } = formOf(prediction);
  return async (x, sigma) => denoised(x, await predictNoise(input(x, sigma), timestep(sigma, model)), sigma);
}

/**
 * The same for a network that gives the guided and the unconditional prediction at once.
 *
 * @param options as in {@link createDenoiser}
 */
export function createPairDenoiser({ model, prediction, predictPair }: PairDenoiserOptions): DenoisePair {
  const { input, timestep, denoised } = formOf(prediction);
  return async (x, sigma) => {
    const { guided, unconditional } = await predictPair(input(x, sigma), timestep(sigma, model));
    return { denoised: denoised(x, guided, sigma), unconditional: denoised(x, unconditional, sigma) };
  };
}

/** What a kind of prediction means: what the network is given, and what its output says of the latents. */
interface Form {
  input(x: Float32Array, sigma: number): Float32Array;
  timestep(sigma: number, model: NoiseModel): number;
  denoised(x: Float32Array, output: Float32Array, sigma: number): Float32Array;
}

const variancePreserving = {
  input: (x: Float32Array, sigma: number) => weightedSum([1 / Math.sqrt(sigma ** 2 + 1), x]),
  timestep: (sigma: number, model: NoiseModel) => model.sigmaToTimestep(sigma),
};

const forms: Record<Prediction, Form> = {
  epsilon: {
    ...variancePreserving,
    denoised: (x, noise, sigma) => weightedSum([1, x], [-sigma, noise]),
  },
  v_prediction: {
    ...variancePreserving,
    denoised: (x, velocity, sigma) =>
      weightedSum([1 / (sigma ** 2 + 1), x], [-sigma / Math.sqrt(sigma ** 2 + 1), velocity]),
  },
  x0: {
    ...variancePreserving,
    denoised: (x, x0) => weightedSum([0, x], [1, x0]), // x is here to have the lengths compared
  },
  flow: {
    input: (x, sigma) => weightedSum([1 / (sigma + 1), x]),
    timestep: (sigma, model) => (model.trainSteps * sigma) / (sigma + 1),
    denoised: (x, flow, sigma) => weightedSum([1 / (sigma + 1), x], [-sigma / (sigma + 1), flow]),
  },
};

function formOf(prediction: Prediction): Form {
  if (Object.hasOwn(forms, prediction)) return forms[prediction];
  const known = Object.keys(forms).join(', ');
  throw new DiffusionError('INVALID_ARGUMENT', `prediction: expected one of ${known}, got '${String(prediction)}'`);
}
