/** Figures as people read them. */

/** Three digits, of s or ms. */
export function seconds(value: number): string {
  return value < 1 ? `${digits(value * 1000)} ms` : `${digits(value)} s`;
}

/** Three digits, of GiB or MiB. */
export function bytes(value: number): string {
  return value < 2 ** 30 ? `${digits(value / 2 ** 20)} MiB` : `${digits(value / 2 ** 30)} GiB`;
}

export function times(ratio: number): string {
  return `${digits(ratio)} x`;
}

/** Three digits at least; whole ones are never cut. */
export function digits(value: number): string {
  const before = Math.abs(value) < 1 ? 1 : Math.floor(Math.log10(Math.abs(value))) + 1;
  return value.toFixed(Math.max(0, 3 - before));
}
