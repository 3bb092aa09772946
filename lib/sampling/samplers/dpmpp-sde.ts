/** DPM-Solver++ on the reverse SDE, single step. */
import type { Sampler } from '../types';
import { weightedSum } from '../vector';
import { ancestralStep } from './ancestral-step';

/**
 * SDE-DPM-Solver++ with an evaluation in the middle of the step, after Katherine Crowson's k-diffusion (the
 * family is that of arXiv 2211.01095). Two evaluations a step and one for a step to sigma 0;
 * second order with `eta` 0. `eta` defaults to 1.
 *
 * The noise of the half step and that of the whole step belong to one Brownian motion over sigma, so they are not
 * independent: with increments `w1` from `from` to `middle` and `w2` from `middle` to `to`, the half step has `w1` and
 * the whole one `w1 + w2`, each divided by its deviation. Two draws a step give the increments, which are independent;
 * none are drawn for a step to 0 nor with `eta` 0.
 */
export const dpmppSde: Sampler = async function* (denoise, x, sigmas, { noise, eta = 1 }) {
  let current = x;
  for (let i = 0; i + 1 < sigmas.length; i++) {
    const [from, to] = [sigmas[i], sigmas[i + 1]];
    const denoised = await denoise(current, from);
    if (to > 0) {
      const middle = Math.sqrt(from * to);
      const half = ancestralStep(from, middle, eta);
      const whole = ancestralStep(from, to, eta);
      const first = eta > 0 ? noise() : undefined;

      let halfway = weightedSum([half.down / from, current], [1 - half.down / from, denoised]);
      if (first) halfway = weightedSum([1, halfway], [half.up, first]);
      const ahead = await denoise(halfway, middle);

      current = weightedSum([whole.down / from, current], [1 - whole.down / from, ahead]);
      if (first) {
        const share = Math.sqrt((from - middle) / (from - to));
        const rest = Math.sqrt((middle - to) / (from - to));
        current = weightedSum([1, current], [whole.up * share, first], [whole.up * rest, noise()]);
      }
    } else {
      ancestralStep(from, to, eta); // refuses an impossible eta in a single step too
      current = denoised;
    }
    yield { x: current, denoised };
  }
};
