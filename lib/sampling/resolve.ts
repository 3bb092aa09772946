/** From what a request says to a sampler and a schedule: a name, a user's own function, or a list of sigmas. */
import { DiffusionError, type ErrorCode } from '../errors';
import { type SamplerName, samplers } from './samplers/index';
import { type Schedule, type ScheduleName, schedules } from './schedules';
import type { Sampler } from './types';

/** A name from {@link samplers}, or a function of the same form. Throws `UNKNOWN_SAMPLER` with the names there are. */
export function resolveSampler(sampler: SamplerName | Sampler): Sampler {
  if (typeof sampler === 'function') return sampler;
  return byName(samplers, sampler, 'UNKNOWN_SAMPLER', 'sampler', 'a function');
}

/**
 * A name from {@link schedules}, a function of the same form, or the sigmas themselves (then their number sets the
 * steps and the asked number is not looked at). Throws `UNKNOWN_SCHEDULE` with the names there are, and
 * `INVALID_REQUEST` for sigmas that {@link checkSigmas} refuses: at once for a list, when called for a function.
 */
export function resolveSchedule(schedule: ScheduleName | Schedule | readonly number[]): Schedule {
  if (typeof schedule === 'function') return (steps, model) => checkSigmas(schedule(steps, model));
  if (Array.isArray(schedule)) {
    const sigmas = checkSigmas(schedule);
    return () => [...sigmas];
  }
  return byName(schedules, schedule as string, 'UNKNOWN_SCHEDULE', 'schedule', 'a function, a list of sigmas');
}

/**
 * A copy of `sigmas`; throws `INVALID_REQUEST` unless there are two or more, finite, at least 0 and strictly
 * decreasing.
 */
export function checkSigmas(sigmas: readonly number[]): number[] {
  const refuse = (got: string): never => {
    throw new DiffusionError(
      'INVALID_REQUEST',
      `schedule: expected at least two finite sigmas, strictly decreasing, none below 0, got ${got}`,
    );
  };
  if (!Array.isArray(sigmas)) refuse(typeof sigmas);
  if (sigmas.length < 2) refuse(`${sigmas.length}`);
  sigmas.forEach((sigma, i) => {
    if (typeof sigma !== 'number' || !Number.isFinite(sigma) || sigma < 0) refuse(`${sigma} at ${i}`);
    if (i > 0 && sigma >= sigmas[i - 1]) refuse(`${sigma} after ${sigmas[i - 1]} at ${i}`);
  });
  return [...sigmas];
}

function byName<T>(
  table: Readonly<Record<string, T>>,
  name: string,
  code: ErrorCode,
  option: string,
  others: string,
): T {
  if (typeof name === 'string' && Object.hasOwn(table, name)) return table[name];
  const got = typeof name === 'string' ? `'${name}'` : typeof name;
  throw new DiffusionError(
    code,
    `${option}: expected one of ${Object.keys(table).join(', ')} or ${others}, got ${got}`,
  );
}
