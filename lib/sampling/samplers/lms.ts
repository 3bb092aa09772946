/** A linear multistep method on the probability flow ODE. */
import type { Sampler } from '../types';
import { type Term, weightedSum } from '../vector';
import { predictedNoise } from './predicted-noise';

/** How many evaluations a step looks back on. */
const order = 4;

/**
 * The Adams-Bashforth method for uneven steps: the polynomial in sigma through the last four slopes is integrated over
 * the step (Hairer, Norsett and Wanner, "Solving ordinary differential equations I", section III.5). One evaluation a
 * step, fourth order; the first steps, with less to look back on, are of lower order.
 */
export const lms: Sampler = async function* (denoise, x, sigmas) {
  let current = x;
  const slopes: Float32Array[] = []; // the newest first
  for (let i = 0; i + 1 < sigmas.length; i++) {
    const denoised = await denoise(current, sigmas[i]);
    slopes.unshift(predictedNoise(current, denoised, sigmas[i]));
    slopes.length = Math.min(slopes.length, order);
    const nodes = slopes.map((_, j) => sigmas[i - j]);
    const terms = slopes.map((slope, j): Term => [basisIntegral(nodes, j, sigmas[i], sigmas[i + 1]), slope]);
    current = weightedSum([1, current], ...terms);
    yield { x: current, denoised };
  }
};

/** The integral of Lagrange's basis polynomial `j`; Gauss's rule with two points is exact up to degree 3. */
function basisIntegral(nodes: readonly number[], j: number, from: number, to: number): number {
  const basis = (at: number) =>
    nodes.reduce((product, node, k) => (k === j ? product : (product * (at - node)) / (nodes[j] - node)), 1);
  const [middle, half] = [(from + to) / 2, (to - from) / 2];
  const offset = half / Math.sqrt(3);
  return half * (basis(middle - offset) + basis(middle + offset));
}
