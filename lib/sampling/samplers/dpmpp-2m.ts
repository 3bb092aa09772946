/** DPM-Solver++, second order, multistep. */
import type { Sampler } from '../types';
import { weightedSum } from '../vector';

/**
 * DPM-Solver++(2M), arXiv 2211.01095, algorithm 2: the denoised latents are extrapolated from the last two evaluations,
 * linearly in `-log sigma`. One evaluation a step, second order; the first step and a step to sigma 0 are of first
 * order.
 */
export const dpmpp2m: Sampler = async function* (denoise, x, sigmas) {
  let current = x;
  let previous: { denoised: Float32Array; stride: number } | undefined;
  for (let i = 0; i + 1 < sigmas.length; i++) {
    const denoised = await denoise(current, sigmas[i]);
    const ratio = sigmas[i + 1] / sigmas[i];
    const stride = -Math.log(ratio); // infinite towards sigma 0
    if (previous && Number.isFinite(stride)) {
      const slope = stride / (2 * previous.stride);
      const weight = 1 - ratio;
      current = weightedSum([ratio, current], [weight * (1 + slope), denoised], [-weight * slope, previous.denoised]);
    } else {
      current = weightedSum([ratio, current], [1 - ratio, denoised]);
    }
    previous = { denoised, stride };
    yield { x: current, denoised };
  }
};
