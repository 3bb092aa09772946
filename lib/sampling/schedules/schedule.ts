/** What a schedule is, and the check that all of them begin with. */
import { DiffusionError } from '../../errors';
import type { NoiseModel } from '../noise-model';

/** A list of sigmas: steps + 1 entries, strictly decreasing, the last 0. */
export interface Schedule {
  (steps: number, model: NoiseModel): number[];
  /** How many steps it has, whatever is asked for. Default: as many as are asked for. */
  readonly steps?: number;
}

/** A schedule of one's own, which may be of f32. */
export interface OwnSchedule {
  (steps: number, model: NoiseModel): readonly number[] | Float32Array;
  /** As in {@link Schedule}. */
  readonly steps?: number;
}

/** Throws `INVALID_REQUEST` unless `steps` is an integer in 1..`most`. */
export function checkSteps(steps: number, most: number): void {
  if (!Number.isInteger(steps) || steps < 1 || steps > most) {
    throw new DiffusionError('INVALID_REQUEST', `steps: expected an integer in 1..${most}, got ${steps}`);
  }
}

/** `steps` values of `level` at 0..1, evenly spaced with both ends (0 alone for one step), and a 0 after them. */
export function overRamp(steps: number, level: (share: number) => number): number[] {
  return [...Array.from({ length: steps }, (_, i) => level(steps === 1 ? 0 : i / (steps - 1))), 0];
}
