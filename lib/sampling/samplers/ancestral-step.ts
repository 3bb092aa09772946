/** Splits a step into a deterministic part and fresh noise. */
import { DiffusionError } from '../../errors';

/**
 * The noise level `down` to step to without randomness, and the deviation `up` of the noise to add there, so that
 * `down^2 + up^2 = to^2`. `eta` scales `up`, which is capped at `to`. Throws `INVALID_REQUEST` for a negative `eta`.
 */
export function ancestralStep(from: number, to: number, eta: number): { down: number; up: number } {
  checkEta(eta);
  const up = Math.min(to, (eta * to * Math.sqrt(from ** 2 - to ** 2)) / from);
  return { down: Math.sqrt(to ** 2 - up ** 2), up };
}

/** Throws `INVALID_REQUEST` unless `eta` is a number in 0..`most`. */
export function checkEta(eta: number, most = Infinity): void {
  if (eta >= 0 && eta <= most) return;
  const expected = most === Infinity ? 'a number of at least 0' : `a number in 0..${most}`;
  throw new DiffusionError('INVALID_REQUEST', `eta: expected ${expected}, got ${eta}`);
}
