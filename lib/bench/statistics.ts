/** What several measurements of one thing say: the middle of them, and how far they lie apart. */

/** In the unit of what was measured. */
export interface Spread {
  /** One disturbed run does not move it. */
  median: number;
  least: number;
  most: number;
  /** How many there were. */
  count: number;
}

/** `values`: at least one. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return {
    median: (sorted[Math.ceil(middle) - 1] + sorted[Math.floor(middle)]) / 2,
    least: sorted[0],
    most: sorted.at(-1)!,
    count: sorted.length,
  };
}

/** How many times `b` `a` is, and how little and how much it could be if every measurement were right. */
export interface Ratio {
  median: number;
  least: number;
  most: number;
}

export function ratioOf(a: Spread, b: Spread): Ratio {
  return { median: a.median / b.median, least: a.least / b.most, most: a.most / b.least };
}
