/** A diffusion problem with several modes whose exact solution is known: one-dimensional data of normal components. */
import type { Denoise } from '../../lib/sampling/types';

export const weights = [0.3, 0.5, 0.2];
export const means = [-1.5, 0.3, 2];
export const deviations = [0.2, 0.4, 0.3];

/** The best possible denoiser for that data: the mean of what x may have been. */
export const denoiseMixture: Denoise = async (x, sigma) => x.map((value) => denoisedValue(value, sigma));

function denoisedValue(x: number, sigma: number): number {
  // Relative to the likeliest component, since far out all likelihoods are 0.
  const logs = weights.map((weight, k) => {
    const variance = deviations[k] ** 2 + sigma ** 2;
    return Math.log(weight / Math.sqrt(variance)) - (x - means[k]) ** 2 / (2 * variance);
  });
  const likeliest = Math.max(...logs);
  let total = 0;
  let sum = 0;
  logs.forEach((log, k) => {
    const likelihood = Math.exp(log - likeliest);
    total += likelihood;
    sum += (likelihood * (deviations[k] ** 2 * x + sigma ** 2 * means[k])) / (deviations[k] ** 2 + sigma ** 2);
  });
  return sum / total;
}

/**
 * Where the probability flow ODE leads from `x` at level `from` down to level `to`. In one dimension ways do not cross,
 * so the share of the noisy data that lies below a point stays the same all the way.
 */
export function flowMixture(x: number, from: number, to: number): number {
  const share = shareBelow(x, from);
  let [low, high] = [-20, 20];
  for (let middle = 0; low < middle && middle < high; middle = (low + high) / 2) {
    if (shareBelow(middle, to) < share) low = middle;
    else high = middle;
    if (high - low < 1e-13) break;
  }
  return (low + high) / 2;
}

function shareBelow(x: number, sigma: number): number {
  return weights.reduce(
    (sum, weight, k) => sum + weight * normalShare((x - means[k]) / Math.hypot(deviations[k], sigma)),
    0,
  );
}

/** The share of a unit normal below z: Taylor's series of its integral (Abramowitz and Stegun, 26.2.11). */
export function normalShare(z: number): number {
  if (Math.abs(z) > 9) return z < 0 ? 0 : 1; // to double precision
  let term = z;
  let sum = z;
  for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(sum); n++) {
    term *= z ** 2 / (2 * n + 1);
    sum += term;
  }
  return 0.5 + (sum * Math.exp(-(z ** 2) / 2)) / Math.sqrt(2 * Math.PI);
}
