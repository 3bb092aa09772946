/** Denoising diffusion probabilistic models. */
import type { Sampler } from '../types';
import { eulerAncestral } from './euler-ancestral';

/**
 * DDPM, arXiv 2006.11239, algorithm 2, over any choice of the training levels: draws from the forward process's
 * posterior, of variance `(1 - alpha') / (1 - alpha) (1 - alpha / alpha')` (equation 7). With `x / sqrt(alpha)` as the
 * variable that is an ancestral step with `eta` 1, the default. One evaluation a step; noise is drawn once a step,
 * except for a step to sigma 0.
 */
export const ddpm: Sampler = (denoise, x, sigmas, options) => eulerAncestral(denoise, x, sigmas, options);
