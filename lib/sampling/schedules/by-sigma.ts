/** Schedules that are a formula between the model's sigmaMax and sigmaMin. */
import { DiffusionError } from '../../errors';
import { betaQuantile } from './beta-quantile';
import { checkSteps, overRamp, type Schedule } from './schedule';

/** Evenly spaced in sigma^(1/rho): arXiv 2206.00364, equation 5. Throws `INVALID_ARGUMENT` unless `rho` is above 0. */
export function karrasWith(rho: number): Schedule {
  checkPositive('rho', rho);
  return (steps, model) => {
    checkSteps(steps, model.trainSteps);
    const from = model.sigmaMax ** (1 / rho);
    const to = model.sigmaMin ** (1 / rho);
    return overRamp(steps, (share) => (from + share * (to - from)) ** rho);
  };
}

/** {@link karrasWith} rho 7, the paper's. */
export const karrasSchedule: Schedule = karrasWith(7);

/**
 * A polynomial of degree `rho` in log(sigma): k-diffusion's "polyexponential". 1 is `exponential`; higher ones spend
 * more steps at low levels. Throws `INVALID_ARGUMENT` unless `rho` is above 0.
 */
export function polyexponentialWith(rho: number): Schedule {
  checkPositive('rho', rho);
  return (steps, model) => {
    checkSteps(steps, model.trainSteps);
    const ratio = model.sigmaMax / model.sigmaMin;
    return overRamp(steps, (share) => model.sigmaMin * ratio ** ((1 - share) ** rho));
  };
}

/** Evenly spaced in log(sigma). */
export const exponentialSchedule: Schedule = polyexponentialWith(1);

/**
 * The quantiles of a beta distribution of the levels, arXiv 2407.12173: with both parameters below 1, many at both ends
 * and few between. Throws `INVALID_ARGUMENT` unless both are above 0.
 */
export function betaWith(alpha: number, beta: number): Schedule {
  checkPositive('alpha', alpha);
  checkPositive('beta', beta);
  return (steps, model) => {
    checkSteps(steps, model.trainSteps);
    const { sigmaMin, sigmaMax } = model;
    return overRamp(steps, (share) => sigmaMin + (sigmaMax - sigmaMin) * betaQuantile(1 - share, alpha, beta));
  };
}

/** {@link betaWith} 0.6 and 0.6, the paper's, A1111's and diffusers'. */
export const betaSchedule: Schedule = betaWith(0.6, 0.6);

/**
 * Evenly spaced in arctan(sigma), which is the best that can be for normally distributed data: arXiv 2404.14507. As the
 * other schedules it goes on to 0; A1111's "KL Optimal" takes as many steps to sigmaMin and stops there.
 */
export const klOptimalSchedule: Schedule = (steps, model) => {
  checkSteps(steps, model.trainSteps);
  const from = Math.atan(model.sigmaMax);
  const to = Math.atan(model.sigmaMin);
  return overRamp(steps, (share) => Math.tan(from + share * (to - from)));
};

/**
 * The first half of the steps takes away 1/40 of sigmaMax in even parts, the second half the rest in growing ones: the
 * linear-quadratic schedule of video models (arXiv 2410.13720), with Mochi's constants as ComfyUI applies them.
 */
export const linearQuadraticSchedule: Schedule = (steps, model) => {
  checkSteps(steps, model.trainSteps);
  const threshold = 0.025;
  const linear = Math.floor(steps / 2);
  const quadratic = steps - linear;
  const slope = linear === 0 ? 0 : threshold / linear;
  // 1 at the end and the linear part's value and slope at the start.
  const bend = linear === 0 ? 1 : (1 - threshold - slope * quadratic) / quadratic ** 2;
  const gone = (i: number) => slope * i + bend * Math.max(0, i - linear) ** 2;
  return [...Array.from({ length: steps }, (_, i) => model.sigmaMax * (1 - gone(i))), 0];
};

function checkPositive(name: string, value: number): void {
  if (value > 0 && Number.isFinite(value)) return;
  throw new DiffusionError('INVALID_ARGUMENT', `${name}: expected a finite number above 0, got ${value}`);
}
