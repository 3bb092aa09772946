/** The pseudo linear multistep method, begun with three steps by Runge and Kutta's rule. */
import type { Denoise, Sampler } from '../types';
import { weightedSum } from '../vector';
import { longestHistory, pseudoLinearStep } from './adams-bashforth';
import { needNoiseModel } from './need-noise-model';
import { predictedNoise } from './predicted-noise';

/** Steps by Runge and Kutta's rule, after which there are noises enough to look back on. */
const warmUp = longestHistory - 1;

/**
 * PNDM, arXiv 2202.09778. One evaluation a step, four in each of the first three; second order, as the paper proves.
 * The middle of a step is the middle of its timesteps, so `options.noiseModel` is needed; without it the sampler throws
 * `INVALID_ARGUMENT`. A step to sigma 0 has one evaluation wherever it comes.
 */
export const pndm: Sampler = async function* (denoise, x, sigmas, options) {
  const model = needNoiseModel('pndm', options);
  let current = x;
  let noises: Float32Array[] = []; // the newest first
  for (let i = 0; i + 1 < sigmas.length; i++) {
    const [from, to] = [sigmas[i], sigmas[i + 1]];
    const denoised = await denoise(current, from);
    noises = [predictedNoise(current, denoised, from), ...noises].slice(0, longestHistory);
    if (i < warmUp && to > 0) {
      const middle = model.timestepToSigma((model.sigmaToTimestep(from) + model.sigmaToTimestep(to)) / 2);
      const mean = await rungeKuttaNoise(denoise, current, noises[0], [from, middle, to]);
      current = pseudoLinearStep(current, [mean], from, to);
    } else {
      current = pseudoLinearStep(current, noises, from, to);
    }
    yield { x: current, denoised };
  }
};

/** The noise over a step whose first is known, from three more evaluations. */
async function rungeKuttaNoise(
  denoise: Denoise,
  x: Float32Array,
  first: Float32Array,
  [from, middle, to]: readonly [number, number, number],
): Promise<Float32Array> {
  const noiseAfter = async (noise: Float32Array, level: number) => {
    const moved = pseudoLinearStep(x, [noise], from, level);
    return predictedNoise(moved, await denoise(moved, level), level);
  };
  const second = await noiseAfter(first, middle);
  const third = await noiseAfter(second, middle);
  const fourth = await noiseAfter(third, to);
  return weightedSum([1 / 6, first], [1 / 3, second], [1 / 3, third], [1 / 6, fourth]);
}
