/** The one vector operation that samplers need. */
import { DiffusionError } from '../errors';

export type Term = readonly [weight: number, vector: Float32Array];

/**
 * The sum of weight times vector over the terms, in a new array: added in double precision, rounded to f32 once.
 * Throws `INVALID_ARGUMENT` where the vectors differ in length.
 */
export function weightedSum(...terms: readonly Term[]): Float32Array {
  const { length } = terms[0][1];
  const sum = new Float64Array(length);
  for (const [weight, vector] of terms) {
    if (vector.length !== length) {
      throw new DiffusionError('INVALID_ARGUMENT', `latents: expected ${length} values, got ${vector.length}`);
    }
    for (let i = 0; i < length; i++) sum[i] += weight * vector[i];
  }
  return new Float32Array(sum);
}
