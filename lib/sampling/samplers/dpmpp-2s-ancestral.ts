/** DPM-Solver++, second order, single step, with fresh noise after each step. */
import type { Sampler } from '../types';
import { weightedSum } from '../vector';
import { ancestralStep } from './ancestral-step';

/**
 * DPM-Solver++(2S), arXiv 2211.01095, algorithm 1 with r = 1/2, to `down`; then noise of deviation `up`: after
 * Katherine Crowson's k-diffusion. Two evaluations a step and one for a step to sigma 0; second order with `eta` 0.
 * `eta` defaults to 1. Noise is drawn once a step, except for steps that add none.
 */
export const dpmpp2sAncestral: Sampler = async function* (denoise, x, sigmas, { noise, eta = 1 }) {
  let current = x;
  for (let i = 0; i + 1 < sigmas.length; i++) {
    const from = sigmas[i];
    const { down, up } = ancestralStep(from, sigmas[i + 1], eta);
    const denoised = await denoise(current, from);
    if (down > 0) {
      const middle = Math.sqrt(from * down);
      const halfway = weightedSum([middle / from, current], [1 - middle / from, denoised]);
      current = weightedSum([down / from, current], [1 - down / from, await denoise(halfway, middle)]);
    } else {
      current = denoised;
    }
    if (up > 0) current = weightedSum([1, current], [up, noise()]);
    yield { x: current, denoised };
  }
};
