/** Multistep sampling of latent consistency models. */
import type { Sampler } from '../types';
import { weightedSum } from '../vector';

/**
 * Each step jumps to the noise-free latents and adds fresh noise of the next level: consistency models, arXiv
 * 2303.01469, algorithm 1, in the latent form of 2310.04378. For models distilled for it (LCM, LCM-LoRA), in 1 to 8
 * steps. The boundary scalings are left out: with diffusers' timestep scaling of 10 they weigh less than 1e-5 at every
 * timestep of the `lcm` schedule.
 */
export const lcm: Sampler = async function* (denoise, x, sigmas, { noise }) {
  let current = x;
  for (let i = 0; i + 1 < sigmas.length; i++) {
    const denoised = await denoise(current, sigmas[i]);
    current = sigmas[i + 1] > 0 ? weightedSum([1, denoised], [sigmas[i + 1], noise()]) : denoised;
    yield { x: current, denoised };
  }
};
