/** The refined exponential solver, multistep. */
import type { Sampler } from '../types';
import { weightedSum } from '../vector';

/**
 * RES, arXiv 2308.02157, in its second order multistep form, the one ComfyUI has: the denoised latents, linear in `log
 * sigma` through the last two evaluations, are integrated over the step exactly (`dpmpp_2m` takes the line's value in
 * the step's middle). One evaluation a step, second order; the first step and a step to sigma 0 are of first order.
 */
export const resMultistep: Sampler = async function* (denoise, x, sigmas) {
  let current = x;
  let previous: { denoised: Float32Array; stride: number } | undefined;
  for (let i = 0; i + 1 < sigmas.length; i++) {
    const denoised = await denoise(current, sigmas[i]);
    const ratio = sigmas[i + 1] / sigmas[i];
    const stride = -Math.log(ratio); // infinite towards sigma 0
    if (previous && Number.isFinite(stride)) {
      const slope = (stride - 1 + ratio) / previous.stride; // the second phi function times the stride squared
      current = weightedSum([ratio, current], [1 - ratio + slope, denoised], [-slope, previous.denoised]);
    } else {
      current = weightedSum([ratio, current], [1 - ratio, denoised]);
    }
    previous = { denoised, stride };
    yield { x: current, denoised };
  }
};
