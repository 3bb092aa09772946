/** From what a request says to a sampler and a schedule: a name, a user's own function, or a list of sigmas. */
import { DiffusionError, type ErrorCode } from '../errors';
import type { NoiseModel } from './noise-model';
import { kindOf, refuseOwn } from './own';
import { type SamplerName, samplers } from './samplers/index';
import { type OwnSchedule, type Schedule, type ScheduleName, schedules } from './schedules';
import type { Sampler } from './types';

/** The noise levels themselves. */
export type Sigmas = readonly number[] | Float32Array;

/** A name from {@link samplers}, or a function of the same form. Throws `UNKNOWN_SAMPLER` with the names there are. */
export function resolveSampler(sampler: SamplerName | Sampler): Sampler {
  if (typeof sampler === 'function') return sampler;
  return byName(samplers, sampler, 'UNKNOWN_SAMPLER', 'sampler', 'a function');
}

/**
 * A name from {@link schedules}, a function of the same form, or the sigmas themselves (then their number sets the
 * steps and the asked number is not looked at). Throws `UNKNOWN_SCHEDULE` with the names there are, and
 * `INVALID_REQUEST` for sigmas that {@link checkSigmas} refuses and for a function's that are not those of the steps: at
 * once for a list, when called for a function.
 */
export function resolveSchedule(schedule: ScheduleName | OwnSchedule | Sigmas): Schedule {
  if (typeof schedule === 'function') return isOurs(schedule) ? schedule : held(schedule);
  if (isList(schedule)) {
    const sigmas = checkSigmas(schedule);
    return Object.assign(() => [...sigmas], { steps: sigmas.length - 1 });
  }
  return byName(schedules, schedule as string, 'UNKNOWN_SCHEDULE', 'schedule', 'a function, a list of sigmas');
}

/**
 * A copy of the sigmas; throws `INVALID_REQUEST` unless there are two or more, finite, at least 0 and strictly
 * decreasing.
 */
export function checkSigmas(given: Sigmas): number[] {
  const refuse = (got: string) =>
    refuseOwn('schedule', 'at least two finite sigmas, strictly decreasing, none below 0', got);
  if (!isList(given)) return refuse(kindOf(given));
  const sigmas = Array.from(given);
  if (sigmas.length < 2) refuse(`${sigmas.length}`);
  sigmas.forEach((sigma, i) => {
    if (typeof sigma !== 'number' || !Number.isFinite(sigma) || sigma < 0) refuse(`${sigma} at ${i}`);
    if (i > 0 && sigma >= sigmas[i - 1]) refuse(`${sigma} after ${sigmas[i - 1]} at ${i}`);
  });
  return sigmas;
}

/** Ours: `ddim_uniform` may have more steps than are asked for, by its name and as a function. */
function isOurs(schedule: OwnSchedule): schedule is Schedule {
  return Object.values<OwnSchedule>(schedules).includes(schedule);
}

function held(schedule: OwnSchedule): Schedule {
  const own = (asked: number, model: NoiseModel) => {
    const sigmas = checkSigmas(schedule(asked, model));
    const steps = schedule.steps ?? asked;
    if (sigmas.length !== steps + 1)
      refuseOwn('schedule', `${steps + 1} sigmas for ${steps} steps`, `${sigmas.length}`);
    return sigmas;
  };
  return Object.assign(own, schedule.steps !== undefined && { steps: schedule.steps });
}

function isList(value: unknown): value is Sigmas {
  return Array.isArray(value) || value instanceof Float32Array;
}

function byName<T>(
  table: Readonly<Record<string, T>>,
  name: string,
  code: ErrorCode,
  option: string,
  others: string,
): T {
  if (typeof name === 'string' && Object.hasOwn(table, name)) return table[name];
  const got = typeof name === 'string' ? `'${name}'` : kindOf(name);
  throw new DiffusionError(
    code,
    `${option}: expected one of ${Object.keys(table).join(', ')} or ${others}, got ${got}`,
  );
}
