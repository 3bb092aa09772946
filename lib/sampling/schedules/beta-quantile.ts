/** Quantiles of the beta distribution. */

/** The x with I_x(alpha, beta) = `probability`, by halving the interval to the last bit; 0 and 1 map to themselves. */
export function betaQuantile(probability: number, alpha: number, beta: number): number {
  if (probability <= 0 || probability >= 1) return Math.min(Math.max(probability, 0), 1);
  let [low, high] = [0, 1];
  for (let middle = 0.5; low < middle && middle < high; middle = (low + high) / 2) {
    if (betaProbability(middle, alpha, beta) < probability) low = middle;
    else high = middle;
  }
  return high;
}

/** The regularised incomplete beta function I_x(a, b), for x within 0..1 and a, b above 0. */
export function betaProbability(x: number, a: number, b: number): number {
  if (x <= 0 || x >= 1) return Math.min(Math.max(x, 0), 1);
  // The continued fraction converges fast on one side of the mean; the other follows by symmetry.
  if (x > (a + 1) / (a + b + 2)) return 1 - betaProbability(1 - x, b, a);
  const logFactor = a * Math.log(x) + b * Math.log1p(-x) + logGamma(a + b) - logGamma(a) - logGamma(b) - Math.log(a);
  return Math.exp(logFactor) / continuedFraction(x, a, b);
}

/** Abramowitz and Stegun, 26.5.8, from its tail inwards: 1 + d1 / (1 + d2 / (1 + ...)). */
function continuedFraction(x: number, a: number, b: number): number {
  let value = 1;
  for (let m = 100; m >= 0; m--) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    value = 1 + odd / value;
    if (m > 0) value = 1 + even / value;
  }
  return value;
}

/** log(gamma(z)) for z above 0: Stirling's series (Abramowitz and Stegun, 6.1.41) after moving z up to 10. */
function logGamma(z: number): number {
  let shift = 0;
  let at = z;
  for (; at < 10; at++) shift += Math.log(at);
  const inverse = 1 / at ** 2;
  const series = (1 / 12 - inverse * (1 / 360 - inverse * (1 / 1260 - inverse * (1 / 1680 - inverse / 1188)))) / at;
  return (at - 0.5) * Math.log(at) - at + 0.5 * Math.log(2 * Math.PI) + series - shift;
}
