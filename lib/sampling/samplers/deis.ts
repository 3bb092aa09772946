/** The diffusion exponential integrator sampler. */
import type { Sampler } from '../types';
import { type Term, weightedSum } from '../vector';
import { predictedNoise } from './predicted-noise';

/** How many evaluations a step looks back on. */
const order = 3;

/**
 * DEIS, arXiv 2204.13902, with the polynomials in `log sigma` as diffusers has it: the parabola through the last three
 * predictions of the noise is integrated over the step exactly. One evaluation a step, third order; the first steps are
 * of lower order, a step to sigma 0 of first.
 */
export const deis: Sampler = async function* (denoise, x, sigmas) {
  let current = x;
  let noises: Float32Array[] = []; // the newest first
  for (let i = 0; i + 1 < sigmas.length; i++) {
    const [from, to] = [sigmas[i], sigmas[i + 1]];
    const denoised = await denoise(current, from);
    noises = [predictedNoise(current, denoised, from), ...noises].slice(0, order);
    if (to > 0) {
      const nodes = noises.map((_, j) => Math.log(sigmas[i - j]));
      const terms = noises.map((noise, j): Term => [basisIntegral(nodes, j, from, to), noise]);
      current = weightedSum([1, current], ...terms);
    } else {
      current = denoised;
    }
    yield { x: current, denoised };
  }
};

/** The integral over sigma of Lagrange's basis polynomial `j` in log sigma, of degree 2 at most. */
function basisIntegral(nodes: readonly number[], j: number, from: number, to: number): number {
  const others = nodes.filter((_, k) => k !== j);
  const scale = others.reduce((product, node) => product * (nodes[j] - node), 1);
  const sum = others.reduce((total, node) => total + node, 0);
  const product = others.reduce((total, node) => total * node, 1);
  // sigma times these is the integral of 1, log sigma - node, and (log sigma - node)(log sigma - other).
  const antiderivative = (sigma: number) => {
    const log = Math.log(sigma);
    if (others.length === 0) return sigma;
    if (others.length === 1) return sigma * (log - 1 - sum);
    return sigma * (log ** 2 - 2 * log + 2 - sum * (log - 1) + product);
  };
  return (antiderivative(to) - antiderivative(from)) / scale;
}
