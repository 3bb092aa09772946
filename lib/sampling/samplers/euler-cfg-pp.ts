/** Euler's method with the renoising of CFG++. */
import { DiffusionError } from '../../errors';
import type { Sampler } from '../types';
import { weightedSum } from '../vector';

/**
 * CFG++, arXiv 2406.08070, algorithm 2: a step to the guided latents without noise, and back up with the noise that the
 * unconditional prediction sees, so that a step never leaves the images that the model knows. Its guidance scale is the
 * paper's lambda, 0 to 1 (0.6 is much like a cfgScale of 7.5). One evaluation a step, of both predictions, first order.
 * Throws `INVALID_ARGUMENT` without `options.denoisePair`; `denoise` itself is not called.
 */
export const eulerCfgPp: Sampler = async function* (_denoise, x, sigmas, { denoisePair }) {
  if (!denoisePair) {
    throw new DiffusionError(
      'INVALID_ARGUMENT',
      'denoisePair: expected a function, which euler_cfg_pp needs, got none',
    );
  }
  let current = x;
  for (let i = 0; i + 1 < sigmas.length; i++) {
    const { denoised, unconditional } = await denoisePair(current, sigmas[i]);
    const ratio = sigmas[i + 1] / sigmas[i];
    current = weightedSum([1, denoised], [ratio, current], [-ratio, unconditional]);
    yield { x: current, denoised };
  }
};
