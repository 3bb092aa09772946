/** DPM-Solver++ on the reverse SDE, second order, multistep. */
import type { Sampler } from '../types';
import { weightedSum } from '../vector';
import { checkEta } from './ancestral-step';

/**
 * SDE-DPM-Solver++(2M), arXiv 2211.01095, in its midpoint form: the denoised latents are
 * extrapolated from the last two evaluations as in `dpmpp_2m`, and the step forgets a share of `x` in favour of fresh
 * noise. `eta` scales that share: 1, the default, is the reverse SDE; with 0 it is `dpmpp_2m`. One evaluation a step;
 * the first step and a step to sigma 0 are of first order. Noise is drawn once a step, except for steps that add none.
 */
export const dpmpp2mSde: Sampler = async function* (denoise, x, sigmas, { noise, eta = 1 }) {
  checkEta(eta);
  let current = x;
  let previous: { denoised: Float32Array; stride: number } | undefined;
  for (let i = 0; i + 1 < sigmas.length; i++) {
    const [from, to] = [sigmas[i], sigmas[i + 1]];
    const denoised = await denoise(current, from);
    const stride = Math.log(from / to); // infinite towards sigma 0
    if (to > 0) {
      const kept = (to / from) ** (1 + eta);
      const slope = previous ? stride / (2 * previous.stride) : 0;
      current = weightedSum(
        [kept, current],
        [(1 - kept) * (1 + slope), denoised],
        [(kept - 1) * slope, previous?.denoised ?? denoised],
      );
      if (eta > 0) current = weightedSum([1, current], [to * Math.sqrt(-Math.expm1(-2 * eta * stride)), noise()]);
    } else {
      current = denoised;
    }
    previous = { denoised, stride };
    yield { x: current, denoised };
  }
};
