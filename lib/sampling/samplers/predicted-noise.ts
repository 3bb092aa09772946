/** The noise that the model sees: the slope of the probability flow. */
import { weightedSum } from '../vector';

/** `(x - denoised) / sigma`, which is `dx/dsigma` of the probability flow ODE (arXiv 2206.00364, algorithm 1). */
export function predictedNoise(x: Float32Array, denoised: Float32Array, sigma: number): Float32Array {
  return weightedSum([1 / sigma, x], [-1 / sigma, denoised]);
}
