/** Comparisons that the sampling tests share. */

/** The largest |actual - expected| / (1 + |expected|); infinite where the lengths differ or a value is not finite. */
export function largestError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Infinity;
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(actual[i] - expected[i]) / (1 + Math.abs(expected[i]));
    worst = error <= worst ? worst : Number.isNaN(error) ? Infinity : error;
  }
  return worst;
}

/** The largest |actual - expected| / |expected|; zeros have to be met exactly. */
export function largestRelativeError(actual: readonly number[], expected: readonly number[]): number {
  if (actual.length !== expected.length) return Infinity;
  return Math.max(...expected.map((value, i) => (value === actual[i] ? 0 : Math.abs(actual[i] / value - 1))));
}
