/** Euler's method on the probability flow ODE. */
import type { Sampler } from '../types';
import { weightedSum } from '../vector';

/**
 * `dx/dsigma = (x - denoised) / sigma`, one evaluation a step, first order: arXiv 2206.00364, algorithm 1 without the
 * correction.
 */
export const euler: Sampler = async function* (denoise, x, sigmas) {
  let current = x;
  for (let i = 0; i + 1 < sigmas.length; i++) {
    const denoised = await denoise(current, sigmas[i]);
    const ratio = sigmas[i + 1] / sigmas[i];
    current = weightedSum([ratio, current], [1 - ratio, denoised]);
    yield { x: current, denoised };
  }
};
