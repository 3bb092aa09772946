/** What the tests of the samplers share: diffusers' trajectories, and a run to its end. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { createDenoiser, type Prediction, type PredictNoise } from '../../../lib/pipeline/denoiser';
import { type SamplerName, samplers } from '../../../lib/sampling/samplers/index';
import { createNoiseModel, type ScheduleName, schedules } from '../../../lib/sampling/schedules';
import type { Sampler, SamplerStep } from '../../../lib/sampling/types';
import { largestError } from '../close';
import { denoiseGaussian, flowGaussian, geometric } from '../gaussian';

interface Trajectory {
  /** diffusers' scheduler. */
  name: string;
  sampler: SamplerName;
  schedule: ScheduleName;
  prediction: Prediction;
  eta: number | null;
  steps: number;
  start: number[];
  noises: number[][];
  /** x after each step, in sigma space. */
  states: number[][];
}

const fixture: { toleranceRelative: number; trajectories: Trajectory[] } = JSON.parse(
  readFileSync(join(__dirname, '../../fixtures/sampling/schedulers.json'), 'utf8'),
);

/** Stable Diffusion's noise model. */
export const model = createNoiseModel({
  betaSchedule: 'scaled_linear',
  betaStart: 0.00085,
  betaEnd: 0.012,
  trainSteps: 1000,
});

/** The function that the fixture's generator puts in the network's place. */
const network: PredictNoise = async (x, timestep) =>
  x.map((value) => 0.3 * value * Math.cos(timestep / 500) + 0.1 * Math.sin(3 * value));

export async function collect(steps: AsyncIterable<SamplerStep>): Promise<SamplerStep[]> {
  const collected: SamplerStep[] = [];
  for await (const step of steps) collected.push(step);
  return collected;
}

/**
 * Runs a sampler along every trajectory that the fixture has for it, with the network, the start and the noise given
 * there.
 */
export function followDiffusers(t: Test, name: SamplerName): void {
  const trajectories = fixture.trajectories.filter(({ sampler }) => sampler === name);
  t.ok(trajectories.length >= 2, 'there are trajectories');
  for (const { schedule, prediction, eta, steps, start, noises, states, ...rest } of trajectories) {
    const variant = `${prediction}${eta === null ? '' : `, eta ${eta}`}, ${steps} steps`;
    t.test(`steps as diffusers' ${rest.name} over ${schedule} sigmas: ${variant}`, async (t) => {
      const denoise = createDenoiser({ model, prediction, predictNoise: network });
      const queue = noises.map((noise) => Float32Array.from(noise));
      const options = { noise: () => queue.shift()!, ...(eta === null ? {} : { eta }) };
      const sigmas = schedules[schedule](steps, model);
      const taken = await collect(samplers[name](denoise, Float32Array.from(start), sigmas, options));
      t.equal(taken.length, states.length);
      taken.forEach(({ x }, i) => {
        const error = largestError(x, states[i]);
        t.ok(error < fixture.toleranceRelative, `step ${i + 1}: error ${error}`);
      });
    });
  }
}

/**
 * By how much the error of a deterministic sampler shrinks when 40 steps become 80, on a problem with a known solution.
 */
export async function errorRatio(sampler: Sampler): Promise<number> {
  const [from, to] = [10, 0.1];
  const starts = Float32Array.of(12, -8, 3);
  const errorOf = async (steps: number) => {
    const options = { noise: () => new Float32Array(starts.length) };
    const taken = await collect(sampler(denoiseGaussian, starts, geometric(steps, from, to), options));
    return Math.max(...starts.map((x, i) => Math.abs(taken[steps - 1].x[i] - flowGaussian(x, from, to))));
  };
  return (await errorOf(40)) / (await errorOf(80));
}
