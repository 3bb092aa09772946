/** How the error of each deterministic sampler shrinks with its steps: for the test, the guide and its plot. */
import { createFlowNoiseModel } from '../../lib/sampling/noise-model';
import { type SamplerName, samplers } from '../../lib/sampling/samplers/index';
import type { Denoise } from '../../lib/sampling/types';
import { denoiseMixture, flowMixture } from './mixture';
import { optionsFor } from './samplers/harness';

/** The order that theory gives, with `eta` 0 for samplers that have one. */
export const theoreticalOrders = {
  euler: 1,
  euler_cfg_pp: 1, // with both halves alike
  ddim: 1,
  heun: 2,
  dpm2: 2,
  dpm2_a: 2,
  dpmpp_2s_a: 2,
  dpmpp_sde: 2,
  dpmpp_2m: 2,
  dpmpp_2m_sde: 2,
  dpmpp_3m_sde: 2, // not 3: see there
  res_multistep: 2,
  plms: 2,
  pndm: 2,
  ipndm: 2,
  unipc: 3,
  deis: 3,
  lms: 4,
} as const satisfies Partial<Record<SamplerName, number>>;

export type DeterministicSampler = keyof typeof theoreticalOrders;

export const stepCounts = [20, 40, 80, 160, 320];

/** The levels of the measurement, from 80, where first steps matter little, to 0.2, where the modes have parted. */
function levels(steps: number): number[] {
  const [from, to, rho] = [80, 0.2, 7];
  const level = (share: number) => (from ** (1 / rho) + share * (to ** (1 / rho) - from ** (1 / rho))) ** rho;
  return Array.from({ length: steps + 1 }, (_, i) => level(i / steps));
}

/** The root of the mean squared error at the last level, for each number of steps. */
export async function errorsOf(name: DeterministicSampler): Promise<number[]> {
  const errors: number[] = [];
  for (const steps of stepCounts) {
    const sigmas = levels(steps);
    const start = Float32Array.of(-1.7, -1.1, -0.6, -0.2, 0.1, 0.5, 0.9, 1.4, 1.9).map((z) => z * sigmas[0]);
    // Any noise model does that knows these levels; Stable Diffusion's ends at 14.6.
    const noiseModel = createFlowNoiseModel();
    const options = { ...optionsFor(denoiseMixture, start.length), eta: 0, noiseModel };
    let x: Float32Array = start;
    for await (const step of samplers[name](denoiseMixture, start, sigmas, options)) x = step.x;
    const exact = Array.from(start, (value) => flowMixture(value, sigmas[0], sigmas[steps]));
    errors.push(Math.sqrt(exact.reduce((sum, value, i) => sum + (x[i] - value) ** 2, 0) / exact.length));
  }
  return errors;
}

/** Network evaluations a step, over many steps. */
export async function evaluationsOf(name: DeterministicSampler): Promise<number> {
  let evaluations = 0;
  const denoise: Denoise = (x, sigma) => {
    evaluations++;
    return denoiseMixture(x, sigma);
  };
  const steps = 100;
  const options = { ...optionsFor(denoise, 1), eta: 0, noiseModel: createFlowNoiseModel() };
  for await (const _ of samplers[name](denoise, Float32Array.of(9), levels(steps), options));
  return Math.round(evaluations / steps);
}

/** Below this the rounding of the latents to f32 begins to show. */
const floor = 2e-6;

/** The order that is seen: minus the slope of log(error) over log(steps), of the last three errors above `floor`. */
export function fittedOrder(errors: readonly number[]): number {
  const points = errors
    .map((error, i) => ({ error, x: Math.log(stepCounts[i]), y: Math.log(error) }))
    .filter(({ error }) => error > floor)
    .slice(-3);
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [meanX, meanY] = [mean(points.map(({ x }) => x)), mean(points.map(({ y }) => y))];
  const covariance = mean(points.map(({ x, y }) => (x - meanX) * (y - meanY)));
  return -covariance / mean(points.map(({ x }) => (x - meanX) ** 2));
}
