/** Which noise levels the steps of a request go through, by the name that it gives. */
import { aysSd15Schedule, aysSdxlSchedule } from './schedules/align-your-steps';
import {
  betaSchedule,
  betaWith,
  exponentialSchedule,
  karrasSchedule,
  karrasWith,
  klOptimalSchedule,
  linearQuadraticSchedule,
  polyexponentialWith,
} from './schedules/by-sigma';
import {
  ddimUniformSchedule,
  discreteSchedule,
  lcmSchedule,
  leadingSchedule,
  linspaceSchedule,
  sgmUniformSchedule,
  simpleSchedule,
  timestepSchedule,
  trailingSchedule,
} from './schedules/by-timestep';
import type { OwnSchedule, Schedule } from './schedules/schedule';

export {
  type BetaSchedule,
  createFlowNoiseModel,
  createNoiseModel,
  type FlowNoiseModelOptions,
  type NoiseModel,
  type NoiseModelOptions,
} from './noise-model';
export type { OwnSchedule, Schedule };
export {
  aysSd15Schedule,
  aysSdxlSchedule,
  betaSchedule,
  betaWith,
  ddimUniformSchedule,
  discreteSchedule,
  exponentialSchedule,
  karrasSchedule,
  karrasWith,
  klOptimalSchedule,
  lcmSchedule,
  leadingSchedule,
  linearQuadraticSchedule,
  linspaceSchedule,
  polyexponentialWith,
  sgmUniformSchedule,
  simpleSchedule,
  timestepSchedule,
  trailingSchedule,
};

/** What the option `schedule` takes by name. */
export type ScheduleName =
  | 'discrete'
  | 'linspace'
  | 'leading'
  | 'trailing'
  | 'karras'
  | 'exponential'
  | 'polyexponential'
  | 'sgm_uniform'
  | 'simple'
  | 'ddim_uniform'
  | 'beta'
  | 'ays_sd15'
  | 'ays_sdxl'
  | 'kl_optimal'
  | 'linear_quadratic'
  | 'lcm';

/** Every schedule by its name. What each is, and when to take it, stands in docs/guides/samplers.md. */
export const schedules: Readonly<Record<ScheduleName, Schedule>> = {
  discrete: discreteSchedule,
  linspace: linspaceSchedule,
  leading: leadingSchedule,
  trailing: trailingSchedule,
  karras: karrasSchedule,
  exponential: exponentialSchedule,
  polyexponential: polyexponentialWith(1),
  sgm_uniform: sgmUniformSchedule,
  simple: simpleSchedule,
  ddim_uniform: ddimUniformSchedule,
  beta: betaSchedule,
  ays_sd15: aysSd15Schedule,
  ays_sdxl: aysSdxlSchedule,
  kl_optimal: klOptimalSchedule,
  linear_quadratic: linearQuadraticSchedule,
  lcm: lcmSchedule,
};
