/** Heun's method on the probability flow ODE. */
import type { Sampler } from '../types';
import { weightedSum } from '../vector';

/**
 * An Euler step, taken again with the mean of the slopes at both ends: arXiv 2206.00364, algorithm 1. Two evaluations a
 * step and one for a step to sigma 0, second order.
 */
export const heun: Sampler = async function* (denoise, x, sigmas) {
  let current = x;
  for (let i = 0; i + 1 < sigmas.length; i++) {
    const [from, to] = [sigmas[i], sigmas[i + 1]];
    const denoised = await denoise(current, from);
    const euler = weightedSum([to / from, current], [1 - to / from, denoised]);
    if (to > 0) {
      const ahead = await denoise(euler, to);
      const half = (to - from) / 2;
      current = weightedSum(
        [1 + half / from, current],
        [-half / from, denoised],
        [half / to, euler],
        [-half / to, ahead],
      );
    } else {
      current = euler;
    }
    yield { x: current, denoised };
  }
};
