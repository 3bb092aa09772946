/** Which noise levels the steps of a request go through. */
import { DiffusionError } from '../errors';
import type { NoiseModel } from './noise-model';

export { type BetaSchedule, createNoiseModel, type NoiseModel, type NoiseModelOptions } from './noise-model';

/** A list of sigmas: steps + 1 entries, strictly decreasing, the last 0. */
export type Schedule = (steps: number, model: NoiseModel) => number[];

export type ScheduleName = 'discrete' | 'leading' | 'trailing' | 'karras' | 'lcm';

/**
 * Timesteps evenly spaced from the last to the first, fractional ones interpolated: k-diffusion's default, A1111's
 * "Automatic" and "Normal". Throws `INVALID_REQUEST`, as all schedules do, unless steps is an integer in 1..trainSteps.
 */
export const discreteSchedule: Schedule = (steps, model) => {
  checkSteps(steps, model.trainSteps);
  const last = model.trainSteps - 1;
  return atTimesteps(steps, model, (i) => (steps === 1 ? last : last * (1 - i / (steps - 1))));
};

/**
 * Every n-th timestep counted from the first, moved up by one: diffusers' `leading` spacing with `steps_offset` 1, SD
 * 1's own.
 */
export const leadingSchedule: Schedule = (steps, model) => {
  checkSteps(steps, model.trainSteps);
  const stride = Math.floor(model.trainSteps / steps);
  return atTimesteps(steps, model, (i) => Math.min((steps - 1 - i) * stride + 1, model.trainSteps - 1 - i));
};

/** Every n-th timestep counted from the last: diffusers' `trailing` spacing (arXiv 2305.08891, section 3.3). */
export const trailingSchedule: Schedule = (steps, model) => {
  checkSteps(steps, model.trainSteps);
  return atTimesteps(steps, model, (i) => roundHalfToEven(model.trainSteps * (1 - i / steps)) - 1);
};

/** Evenly spaced in sigma^(1/7) between the model's sigmaMax and sigmaMin: arXiv 2206.00364, equation 5, with rho 7. */
export const karrasSchedule: Schedule = (steps, model) => {
  checkSteps(steps, model.trainSteps);
  const rho = 7;
  const from = model.sigmaMax ** (1 / rho);
  const to = model.sigmaMin ** (1 / rho);
  const ramp = (i: number) => (steps === 1 ? 0 : i / (steps - 1));
  return [...Array.from({ length: steps }, (_, i) => (from + ramp(i) * (to - from)) ** rho), 0];
};

/**
 * For consistency models: evenly chosen among the 50 timesteps that they were distilled on (arXiv 2310.04378). At most
 * 50 steps; meant for 1 to 8.
 */
export const lcmSchedule: Schedule = (steps, model) => {
  const distilled = Math.min(50, model.trainSteps);
  checkSteps(steps, distilled);
  const stride = Math.floor(model.trainSteps / distilled);
  return atTimesteps(steps, model, (i) => (distilled - Math.floor((i * distilled) / steps)) * stride - 1);
};

export const schedules: Readonly<Record<ScheduleName, Schedule>> = {
  discrete: discreteSchedule,
  leading: leadingSchedule,
  trailing: trailingSchedule,
  karras: karrasSchedule,
  lcm: lcmSchedule,
};

function atTimesteps(steps: number, model: NoiseModel, timestep: (i: number) => number): number[] {
  return [...Array.from({ length: steps }, (_, i) => model.timestepToSigma(timestep(i))), 0];
}

function checkSteps(steps: number, most: number): void {
  if (!Number.isInteger(steps) || steps < 1 || steps > most) {
    throw new DiffusionError('INVALID_REQUEST', `steps: expected an integer in 1..${most}, got ${steps}`);
  }
}

/** What numpy's `round` does, which decides diffusers' timesteps where trainSteps / steps has a half. */
function roundHalfToEven(value: number): number {
  const low = Math.floor(value);
  const rest = value - low;
  if (rest !== 0.5) return Math.round(value);
  return low % 2 === 0 ? low : low + 1;
}
