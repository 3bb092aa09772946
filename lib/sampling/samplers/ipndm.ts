/** The pseudo linear multistep method with its first steps of lower order. */
import type { Sampler } from '../types';
import { longestHistory, pseudoLinearStep } from './adams-bashforth';
import { predictedNoise } from './predicted-noise';

/**
 * iPNDM, arXiv 2204.13902: PNDM (arXiv 2202.09778) whose first steps use the multistep rules for one, two and three
 * evaluations in place of Runge and Kutta's. One evaluation a step. Second order, as PNDM: the weights are those for
 * even steps, whatever the steps are.
 */
export const ipndm: Sampler = async function* (denoise, x, sigmas) {
  let current = x;
  let noises: Float32Array[] = []; // the newest first
  for (let i = 0; i + 1 < sigmas.length; i++) {
    const denoised = await denoise(current, sigmas[i]);
    noises = [predictedNoise(current, denoised, sigmas[i]), ...noises].slice(0, longestHistory);
    current = pseudoLinearStep(current, noises, sigmas[i], sigmas[i + 1]);
    yield { x: current, denoised };
  }
};
