/** Multistep sampling of trajectory consistency models. */
import type { Sampler } from '../types';
import { weightedSum } from '../vector';
import { checkEta } from './ancestral-step';
import { needNoiseModel } from './need-noise-model';

/**
 * Strategic stochastic sampling, arXiv 2402.19159: each step jumps along the trajectory below the next
 * level and comes back up to it with fresh noise. `eta` is the paper's gamma, default 0.3: the jump goes to timestep
 * `(1 - eta) t` (rounded down) for a next level of timestep t, so 0 adds no noise and 1 is multistep consistency
 * sampling. For models distilled for it (TCD-LoRA), in 1 to 8 steps of the `lcm` schedule, one evaluation each. Throws
 * `INVALID_ARGUMENT` without `options.noiseModel`, which the timesteps need, and `INVALID_REQUEST` for an `eta` outside
 * 0..1. Noise is drawn once a step, except for steps that add none.
 */
export const tcd: Sampler = async function* (denoise, x, sigmas, options) {
  const { noise, eta = 0.3 } = options;
  const model = needNoiseModel('tcd', options);
  checkEta(eta, 1);
  let current = x;
  for (let i = 0; i + 1 < sigmas.length; i++) {
    const [from, to] = [sigmas[i], sigmas[i + 1]];
    const denoised = await denoise(current, from);
    // A level of a whole timestep can come back from the map a rounding below it.
    const timestep = Math.floor((1 - eta) * model.sigmaToTimestep(to) + 1e-6);
    const down = eta === 0 ? to : Math.min(to, model.timestepToSigma(timestep));
    current = weightedSum([down / from, current], [1 - down / from, denoised]);
    if (down < to) current = weightedSum([1, current], [Math.sqrt(to ** 2 - down ** 2), noise()]);
    yield { x: current, denoised };
  }
};
