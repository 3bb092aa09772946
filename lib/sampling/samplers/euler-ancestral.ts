/** Euler steps that go lower than asked and come back up with fresh noise. */
import type { Sampler } from '../types';
import { weightedSum } from '../vector';
import { ancestralStep } from './ancestral-step';

/**
 * Ancestral sampling (DDPM, arXiv 2006.11239) in sigma space, after Katherine Crowson's k-diffusion: an Euler step to
 * `down`, then noise of deviation `up`. `eta` defaults to 1; 0 is Euler's method. Noise is drawn once a step, except
 * for steps that add none.
 */
export const eulerAncestral: Sampler = async function* (denoise, x, sigmas, { noise, eta = 1 }) {
  let current = x;
  for (let i = 0; i + 1 < sigmas.length; i++) {
    const denoised = await denoise(current, sigmas[i]);
    const { down, up } = ancestralStep(sigmas[i], sigmas[i + 1], eta);
    const ratio = down / sigmas[i];
    current = weightedSum([ratio, current], [1 - ratio, denoised]);
    if (up > 0) current = weightedSum([1, current], [up, noise()]);
    yield { x: current, denoised };
  }
};
