/** Every kind of prediction seen as one: the network's output at a noise level becomes the noise-free latents. */
import { DiffusionError } from '../errors';
import type { NoiseModel } from '../sampling/noise-model';
import type { Denoise } from '../sampling/types';
import { weightedSum } from '../sampling/vector';

/** What a network was trained to predict: the noise, the velocity (arXiv 2202.00512) or the noise-free latents. */
export type Prediction = 'epsilon' | 'v_prediction' | 'sample';

/** The network: `x` f32 scaled to unit variance, `timestep` possibly fractional -> its prediction. */
export type PredictNoise = (x: Float32Array, timestep: number) => Promise<Float32Array>;

export interface DenoiserOptions {
  model: NoiseModel;
  prediction: Prediction;
  /** Gives one prediction of x's length, guidance already applied. */
  predictNoise: PredictNoise;
}

/**
 * The network as a {@link Denoise}. It sees `x / sqrt(sigma^2 + 1)`, the variance-preserving form that it was trained
 * on; its prediction is turned into denoised latents by the preconditioning of arXiv 2206.00364, table 1 (epsilon) and
 * 2202.00512 (velocity). The denoiser rejects with `INVALID_ARGUMENT` where the prediction has another length than x.
 */
export function createDenoiser({ model, prediction, predictNoise }: DenoiserOptions): Denoise {
  const denoised = denoisedBy[prediction];
  if (!denoised) {
    const known = Object.keys(denoisedBy).join(', ');
    throw new DiffusionError('INVALID_ARGUMENT', `prediction: expected one of ${known}, got '${String(prediction)}'`);
  }
  return async (x, sigma) => {
    const scaled = weightedSum([1 / Math.sqrt(sigma ** 2 + 1), x]);
    return denoised(x, await predictNoise(scaled, model.sigmaToTimestep(sigma)), sigma);
  };
}

const denoisedBy: Record<Prediction, (x: Float32Array, output: Float32Array, sigma: number) => Float32Array> = {
  epsilon: (x, noise, sigma) => weightedSum([1, x], [-sigma, noise]),
  v_prediction: (x, velocity, sigma) =>
    weightedSum([1 / (sigma ** 2 + 1), x], [-sigma / Math.sqrt(sigma ** 2 + 1), velocity]),
  sample: (x, sample) => weightedSum([0, x], [1, sample]), // x is here to have the lengths compared
};
