/** Schedules that choose among the model's timesteps. */
import { DiffusionError } from '../../errors';
import type { NoiseModel } from '../noise-model';
import { checkSteps, overRamp, type Schedule } from './schedule';

/**
 * Timesteps evenly spaced from the last to the first, fractional ones interpolated: k-diffusion's default, A1111's
 * "Automatic" and "Normal". Throws `INVALID_REQUEST`, as all schedules do, unless steps is an integer in 1..trainSteps.
 */
export const discreteSchedule: Schedule = (steps, model) => {
  checkSteps(steps, model.trainSteps);
  const last = model.trainSteps - 1;
  return overRamp(steps, (share) => model.timestepToSigma(last * (1 - share)));
};

/** The same, rounded to whole timesteps: the `linspace` spacing of diffusers' DDIM, DDPM and PNDM. */
export const linspaceSchedule: Schedule = (steps, model) => {
  checkSteps(steps, model.trainSteps);
  const last = model.trainSteps - 1;
  return overRamp(steps, (share) => model.timestepToSigma(roundHalfToEven(last * (1 - share))));
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

/**
 * `discrete` with one step more, the last of which is left out: A1111's "SGM Uniform", after Stability AI's generative
 * models; with few steps it ends on a higher level than `discrete`.
 */
export const sgmUniformSchedule: Schedule = (steps, model) => {
  checkSteps(steps, model.trainSteps);
  return atTimesteps(steps, model, (i) => (model.trainSteps - 1) * (1 - i / steps));
};

/** Every n-th timestep counted from the last, n rounded for each: A1111's and ComfyUI's "Simple". */
export const simpleSchedule: Schedule = (steps, model) => {
  checkSteps(steps, model.trainSteps);
  const stride = model.trainSteps / steps;
  return atTimesteps(steps, model, (i) => model.trainSteps - 1 - Math.floor(i * stride));
};

/**
 * Every n-th timestep from the second up, as many as there are: A1111's "DDIM", ComfyUI's "ddim_uniform". Where the
 * steps do not divide trainSteps these are more than asked for (31 of 1000 for 30), and 999 for 1000.
 */
export const ddimUniformSchedule: Schedule = (steps, model) => {
  checkSteps(steps, model.trainSteps);
  const stride = Math.floor(model.trainSteps / steps);
  const count = Math.ceil((model.trainSteps - 1) / stride);
  return atTimesteps(count, model, (i) => 1 + (count - 1 - i) * stride);
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

/**
 * The levels of your own timesteps, and 0 after them: `schedule: timestepSchedule([999, 850, 736, 545, 343, 124])`. As
 * with a list of sigmas, the number of steps that is asked for is not looked at. Fractional timesteps are interpolated.
 * The schedule throws `INVALID_REQUEST` unless the timesteps are strictly decreasing and within 0..trainSteps - 1.
 */
export function timestepSchedule(timesteps: readonly number[]): Schedule {
  const own = [...timesteps];
  const schedule = (_steps: number, model: NoiseModel) => {
    const last = model.trainSteps - 1;
    const bad = own.findIndex((t, i) => !(t >= 0 && t <= last && (i === 0 || t < own[i - 1])));
    if (own.length === 0 || bad >= 0) {
      const got = own.length === 0 ? 'none' : `${own[bad]} at ${bad}`;
      throw new DiffusionError(
        'INVALID_REQUEST',
        `timesteps: expected one or more within 0..${last}, strictly decreasing, got ${got}`,
      );
    }
    return atTimesteps(own.length, model, (i) => own[i]);
  };
  return Object.assign(schedule, own.length > 0 && { steps: own.length });
}

function atTimesteps(steps: number, model: NoiseModel, timestep: (i: number) => number): number[] {
  return [...Array.from({ length: steps }, (_, i) => model.timestepToSigma(timestep(i))), 0];
}

/** What numpy's `round` does, which decides diffusers' timesteps where trainSteps / steps has a half. */
function roundHalfToEven(value: number): number {
  const low = Math.floor(value);
  const rest = value - low;
  if (rest !== 0.5) return Math.round(value);
  return low % 2 === 0 ? low : low + 1;
}
