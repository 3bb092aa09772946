/** A diffusion problem that can be solved on paper: data that is normally distributed. */
import type { Denoise } from '../../lib/sampling/types';

export const mean = 0.7;
export const deviation = 0.5;

/** The best possible denoiser for that data. */
export const denoiseGaussian: Denoise = async (x, sigma) =>
  x.map((value) => (deviation ** 2 * value + sigma ** 2 * mean) / (deviation ** 2 + sigma ** 2));

/** Where the probability flow ODE leads from `x` at level `from` down to level `to`. */
export function flowGaussian(x: number, from: number, to: number): number {
  return mean + (x - mean) * Math.sqrt((deviation ** 2 + to ** 2) / (deviation ** 2 + from ** 2));
}

/** `steps` + 1 levels, evenly spaced in log(sigma). */
export function geometric(steps: number, from: number, to: number): number[] {
  return Array.from({ length: steps + 1 }, (_, i) => from * (to / from) ** (i / steps));
}
