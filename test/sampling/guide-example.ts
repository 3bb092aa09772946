/** The example of docs/guides/samplers.md, word for word but for the import; guide.test.ts holds the two together. */
import type { Schedule } from '../../lib/sampling/schedules';
import type { Sampler } from '../../lib/sampling/types';

/** The midpoint rule: the slope half an Euler step ahead carries the whole step. Of second order. */
export const midpoint: Sampler = async function* (denoise, x, sigmas) {
  let current = x;
  for (let i = 0; i + 1 < sigmas.length; i++) {
    const [start, from, to] = [current, sigmas[i], sigmas[i + 1]];
    const middle = (from + to) / 2;
    const denoised = await denoise(start, from);
    const halfway = start.map((value, j) => value + ((middle - from) * (value - denoised[j])) / from);
    const ahead = await denoise(halfway, middle);
    current = start.map((value, j) => value + ((to - from) * (halfway[j] - ahead[j])) / middle);
    yield { x: current, denoised };
  }
};

/** Noise levels evenly spaced in the square root of sigma. */
export const roots: Schedule = (steps, model) => {
  const [from, to] = [Math.sqrt(model.sigmaMax), Math.sqrt(model.sigmaMin)];
  const level = (i: number) => (from + ((to - from) * i) / Math.max(steps - 1, 1)) ** 2;
  return [...Array.from({ length: steps }, (_, i) => level(i)), 0];
};
