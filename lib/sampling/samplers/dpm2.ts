/** The midpoint rule on the probability flow ODE. */
import type { Sampler } from '../types';
import { dpm2Ancestral } from './dpm2-ancestral';

/**
 * {@link dpm2Ancestral} without noise: DPM-Solver-2 (arXiv 2206.00927) as k-diffusion has it, second order, two
 * evaluations a step and one for a step to sigma 0.
 */
export const dpm2: Sampler = (denoise, x, sigmas, options) => dpm2Ancestral(denoise, x, sigmas, { ...options, eta: 0 });
