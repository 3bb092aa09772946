/** The classical multistep weights that the pseudo numerical methods share. */
import { type Term, weightedSum } from '../vector';

/** Of the last evaluations, the newest first, for one to four of them. */
const weights = [[1], [3 / 2, -1 / 2], [23 / 12, -16 / 12, 5 / 12], [55 / 24, -59 / 24, 37 / 24, -9 / 24]] as const;

/** How many evaluations it pays to remember. */
export const longestHistory = weights.length;

/**
 * A step from `x` at level `from` to level `to` with the noise extrapolated from `noises`, one to four predictions of
 * which the newest comes first: a step of DDIM's with the noise of a multistep method (arXiv 2202.09778).
 */
export function pseudoLinearStep(
  x: Float32Array,
  noises: readonly Float32Array[],
  from: number,
  to: number,
): Float32Array {
  const terms = weights[noises.length - 1].map((weight, j): Term => [(to - from) * weight, noises[j]]);
  return weightedSum([1, x], ...terms);
}
