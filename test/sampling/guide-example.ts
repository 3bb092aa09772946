/** The example of docs/guides/samplers.md, word for word but for the import; guide.test.ts holds the two together. */
import type { Schedule } from '../../lib/sampling/schedules';
import type { Sampler } from '../../lib/sampling/types';

/** Heun's method: an Euler step, taken again with the mean of the slopes at both ends. Of second order. */
export const heun: Sampler = async function* (denoise, x, sigmas) {
  let current = x;
  for (let i = 0; i + 1 < sigmas.length; i++) {
    const [start, from, to] = [current, sigmas[i], sigmas[i + 1]];
    const denoised = await denoise(start, from);
    const slope = start.map((value, j) => (value - denoised[j]) / from);
    const euler = start.map((value, j) => value + (to - from) * slope[j]);
    if (to > 0) {
      const ahead = await denoise(euler, to);
      const mean = slope.map((value, j) => (value + (euler[j] - ahead[j]) / to) / 2);
      current = start.map((value, j) => value + (to - from) * mean[j]);
    } else {
      current = euler;
    }
    yield { x: current, denoised };
  }
};

/** Noise levels evenly spaced in log(sigma). */
export const exponential: Schedule = (steps, model) => {
  const ratio = model.sigmaMin / model.sigmaMax;
  const level = (i: number) => model.sigmaMax * ratio ** (i / Math.max(steps - 1, 1));
  return [...Array.from({ length: steps }, (_, i) => level(i)), 0];
};
