/** Denoising diffusion implicit models. */
import type { Sampler } from '../types';
import { eulerAncestral } from './euler-ancestral';

/**
 * DDIM, arXiv 2010.02502, equation 12. With `x / sqrt(alpha)` as the variable and `sigma^2 = (1 - alpha) / alpha` its
 * update is `denoised + down * noise predicted + up * fresh noise` with the `down` and `up` of an ancestral step: the
 * same rule, of which DDIM is the deterministic end. `eta` defaults to 0.
 */
export const ddim: Sampler = (denoise, x, sigmas, options) =>
  eulerAncestral(denoise, x, sigmas, { ...options, eta: options.eta ?? 0 });
