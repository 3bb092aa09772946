/** The pseudo linear multistep method, begun with a step of Heun's. */
import type { Sampler } from '../types';
import { weightedSum } from '../vector';
import { longestHistory, pseudoLinearStep } from './adams-bashforth';
import { predictedNoise } from './predicted-noise';

/**
 * PLMS: PNDM (arXiv 2202.09778) as latent diffusion brought it to Stable Diffusion, with one step by the mean of the
 * noise at both its ends in place of three by Runge and Kutta's rule. One evaluation a step and one more in the first;
 * second order.
 */
export const plms: Sampler = async function* (denoise, x, sigmas) {
  let current = x;
  let noises: Float32Array[] = []; // the newest first
  for (let i = 0; i + 1 < sigmas.length; i++) {
    const [from, to] = [sigmas[i], sigmas[i + 1]];
    const denoised = await denoise(current, from);
    noises = [predictedNoise(current, denoised, from), ...noises].slice(0, longestHistory);
    if (i === 0 && to > 0) {
      const ahead = pseudoLinearStep(current, noises, from, to);
      const mean = weightedSum([0.5, noises[0]], [0.5, predictedNoise(ahead, await denoise(ahead, to), to)]);
      current = pseudoLinearStep(current, [mean], from, to);
    } else {
      current = pseudoLinearStep(current, noises, from, to);
    }
    yield { x: current, denoised };
  }
};
