/** The extended reverse-time SDE solver. */
import type { Sampler } from '../types';
import { weightedSum } from '../vector';

/**
 * ER-SDE-Solver-3, arXiv 2309.06169, with the noise scale function that the paper found best (its fifth): more noise at
 * high levels, less at low ones. The denoised latents are a parabola in sigma through the last three evaluations. One
 * evaluation a step; the first steps are of lower order, a step to sigma 0 of first. `eta` has no part in it. Noise is
 * drawn once a step, except for a step to sigma 0.
 */
export const erSde: Sampler = async function* (denoise, x, sigmas, { noise }) {
  let current = x;
  let slopes: Float32Array[] = []; // of the denoised latents, by sigma, the newest first
  let last: Float32Array | undefined;
  for (let i = 0; i + 1 < sigmas.length; i++) {
    const [from, to] = [sigmas[i], sigmas[i + 1]];
    const denoised = await denoise(current, from);
    if (last) {
      const width = from - sigmas[i - 1];
      slopes = [weightedSum([1 / width, denoised], [-1 / width, last]), ...slopes].slice(0, 2);
    }
    if (to > 0) {
      const kept = noiseScale(to) / noiseScale(from);
      current = weightedSum([kept, current], [1 - kept, denoised]);
      const stride = to - from;
      if (slopes.length > 0) {
        const weight = stride + noiseScale(to) * scaledIntegral(() => 1, from, to);
        current = weightedSum([1, current], [weight, slopes[0]]);
      }
      if (slopes.length > 1) {
        const width = (from - sigmas[i - 2]) / 2;
        const bend = stride ** 2 / 2 + noiseScale(to) * scaledIntegral((sigma) => sigma - from, from, to);
        current = weightedSum([1, current], [bend / width, slopes[0]], [-bend / width, slopes[1]]);
      }
      current = weightedSum([1, current], [Math.sqrt(Math.max(0, to ** 2 - (kept * from) ** 2)), noise()]);
    } else {
      current = denoised;
    }
    last = denoised;
    yield { x: current, denoised };
  }
};

/** The paper's phi: what is kept of `x` over a step is its ratio. */
function noiseScale(sigma: number): number {
  return sigma * (Math.exp(sigma ** 0.3) + 10);
}

/** The integral of `value / noiseScale` from `to` up to `from`, by Simpson's rule in log sigma, where it is smooth. */
function scaledIntegral(value: (sigma: number) => number, from: number, to: number): number {
  const pieces = 8;
  const width = Math.log(from / to) / pieces;
  let sum = 0;
  for (let i = 0; i <= pieces; i++) {
    const sigma = to * Math.exp(i * width);
    const weight = i === 0 || i === pieces ? 1 : i % 2 === 1 ? 4 : 2;
    sum += (weight * value(sigma) * sigma) / noiseScale(sigma);
  }
  return (sum * width) / 3;
}
