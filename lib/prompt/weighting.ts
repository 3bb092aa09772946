/** Applies the weights of tokens to what the text encoder made of them. */

import { DiffusionError } from '../errors';

/**
 * Multiplies the embedding of each token by its weight, then the whole window by one factor, so that the mean over all its values is
 * what it was: A1111's "Original" emphasis. Means are taken in f64. Where the weighted mean is 0, or so near
 * that a value would overflow, there is no such factor and the window stays as the weights made it.
 *
 * @param embeddings f32 `[windows, tokens, width]`; not written to
 * @param weights f32 `[windows, tokens]`
 * @param windows default 1; each has a mean of its own
 * @returns f32 `[windows, tokens, width]`; the very array that was given if all weights are 1
 * @throws INVALID_ARGUMENT if the lengths do not fit together
 */
export function applyWeights(embeddings: Float32Array, weights: ArrayLike<number>, windows = 1): Float32Array {
  checkLengths(embeddings.length, weights.length, windows);
  const isNeutral = Array.from(weights).every((weight) => weight === 1);
  if (isNeutral) return embeddings;

  const width = embeddings.length / weights.length;
  const weighted = embeddings.map((value, i) => value * weights[Math.floor(i / width)]);
  const size = embeddings.length / windows;
  for (let start = 0; start < embeddings.length; start += size) {
    restoreMean(weighted.subarray(start, start + size), sum(embeddings.subarray(start, start + size)));
  }
  return weighted;
}

function restoreMean(window: Float32Array, wantedSum: number): void {
  const factor = wantedSum / sum(window);
  const largest = window.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  if (!Number.isFinite(Math.fround(factor * largest))) return;
  for (let i = 0; i < window.length; i++) window[i] *= factor;
}

function sum(values: Float32Array): number {
  return values.reduce((total, value) => total + value, 0);
}

function checkLengths(values: number, tokens: number, windows: number): void {
  if (!Number.isInteger(windows) || windows < 1) {
    throw new DiffusionError('INVALID_ARGUMENT', `windows: expected an integer of at least 1, got ${windows}`);
  }
  if (tokens === 0 || tokens % windows !== 0) {
    const expected = `as many weights for each of ${windows} windows`;
    throw new DiffusionError('INVALID_ARGUMENT', `weights: expected ${expected}, got ${tokens}`);
  }
  if (values === 0 || values % tokens !== 0) {
    const expected = `a multiple of ${tokens} values, one row a weight`;
    throw new DiffusionError('INVALID_ARGUMENT', `embeddings: expected ${expected}, got ${values}`);
  }
}
