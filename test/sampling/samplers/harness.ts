/** What the tests of the samplers share: the references' trajectories and loops, and a run to its end. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { createDenoiser, type Prediction, type PredictNoise } from '../../../lib/pipeline/denoiser';
import { philoxNoise } from '../../../lib/sampling/noise';
import { type SamplerName, samplers } from '../../../lib/sampling/samplers/index';
import { createNoiseModel, type ScheduleName, schedules } from '../../../lib/sampling/schedules';
import type { Denoise, Sampler, SamplerOptions, SamplerStep } from '../../../lib/sampling/types';
import { largestError } from '../close';
import { denoiseGaussian, deviation, geometric, mean } from '../gaussian';
import { denoiseMixture, flowMixture } from '../mixture';

interface Trajectory {
  sampler: SamplerName;
  prediction: Prediction;
  eta: number | null;
  start: number[];
  noises: number[][];
  /** x after each step, in sigma space. */
  states: number[][];
}

/** Of generate.py: over a named schedule. */
interface NamedTrajectory extends Trajectory {
  /** diffusers' scheduler. */
  name: string;
  schedule: ScheduleName;
  steps: number;
}

/** Of references.py: over the reference's own sigmas. */
interface ListedTrajectory extends Trajectory {
  reference: string;
  problem: 'wave' | 'mixture';
  sigmas: number[];
}

interface Loop {
  sampler: SamplerName;
  reference: string;
  trainSteps: number;
  prediction: Prediction;
  sigmas: number[];
  /** Of |x| at the end, in sigma space, and its last value. */
  sum: number;
  mean: number;
  last: number;
}

function read<T>(name: string): T & { toleranceRelative: number } {
  return JSON.parse(readFileSync(join(__dirname, `../../fixtures/sampling/${name}.json`), 'utf8'));
}

const named = read<{ trajectories: NamedTrajectory[] }>('schedulers');
const listed = read<{ trajectories: ListedTrajectory[] }>('trajectories');
const fullLoops = read<{ loops: Loop[] }>('loops');

/** Stable Diffusion's noise model. */
export const model = createNoiseModel({
  betaSchedule: 'scaled_linear',
  betaStart: 0.00085,
  betaEnd: 0.012,
  trainSteps: 1000,
});

/** The function that the fixtures' generators put in the network's place. */
const wave: PredictNoise = async (x, timestep) =>
  x.map((value) => 0.3 * value * Math.cos(timestep / 500) + 0.1 * Math.sin(3 * value));

export async function collect(steps: AsyncIterable<SamplerStep>): Promise<SamplerStep[]> {
  const collected: SamplerStep[] = [];
  for await (const step of steps) collected.push(step);
  return collected;
}

/** Options with everything that some sampler needs; noise from a seed. The unconditional half is the guided one. */
export function optionsFor(denoise: Denoise, length: number, seed = 1): SamplerOptions {
  const source = philoxNoise(seed);
  return {
    noise: () => source.normal(length),
    noiseModel: model,
    denoisePair: async (x, sigma) => {
      const denoised = await denoise(x, sigma);
      return { denoised, unconditional: denoised };
    },
  };
}

/** Runs a sampler along every trajectory that generate.py has for it, over the schedule named there. */
export function followDiffusers(t: Test, name: SamplerName): void {
  const trajectories = named.trajectories.filter(({ sampler }) => sampler === name);
  t.ok(trajectories.length >= 2, 'there are trajectories');
  for (const trajectory of trajectories) {
    const { prediction, steps, schedule } = trajectory;
    const title = `steps as diffusers' ${trajectory.name} over ${schedule} sigmas: ${prediction}, ${steps} steps`;
    const denoise = createDenoiser({ model, prediction, predictNoise: wave });
    const sigmas = schedules[schedule](steps, model);
    follow(t, title, trajectory, denoise, sigmas, named.toleranceRelative);
  }
}

/** Runs a sampler along every trajectory that references.py has for it, over the sigmas given there. */
export function followReferences(t: Test, name: SamplerName): void {
  const trajectories = listed.trajectories.filter(({ sampler }) => sampler === name);
  t.ok(trajectories.length >= 1, 'there are trajectories');
  for (const trajectory of trajectories) {
    const { prediction, problem, reference, sigmas } = trajectory;
    const denoise = problem === 'mixture' ? denoiseMixture : createDenoiser({ model, prediction, predictNoise: wave });
    follow(
      t,
      `steps as ${reference}: ${problem}, ${prediction}, ${sigmas.length - 1} steps`,
      trajectory,
      denoise,
      sigmas,
      listed.toleranceRelative,
    );
  }
}

function follow(
  t: Test,
  title: string,
  { sampler, eta, start, noises, states }: Trajectory,
  denoise: Denoise,
  sigmas: readonly number[],
  tolerance: number,
): void {
  t.test(`${title}${eta === null ? '' : `, eta ${eta}`}`, async (t) => {
    const queue = noises.map((noise) => Float32Array.from(noise));
    const options = { noise: () => queue.shift()!, noiseModel: model, ...(eta === null ? {} : { eta }) };
    const taken = await collect(samplers[sampler](denoise, Float32Array.from(start), sigmas, options));
    t.equal(taken.length, states.length);
    taken.forEach(({ x }, i) => {
      const error = largestError(x, states[i]);
      t.ok(error < tolerance, `step ${i + 1}: error ${error}`);
    });
  });
}

/** Runs a sampler through the full loops of diffusers' tests: 768 values, ten steps, a model that is linear in x. */
export function followFullLoops(t: Test, name: SamplerName): void {
  const loops = fullLoops.loops.filter(({ sampler }) => sampler === name);
  t.ok(loops.length >= 1, 'there are loops');
  for (const { reference, trainSteps, prediction, sigmas, ...end } of loops) {
    t.test(`ends as diffusers' ${reference} in its full loop, ${prediction}, from sigma ${sigmas[0]}`, async (t) => {
      const model = createNoiseModel({ betaSchedule: 'linear', betaStart: 0.0001, betaEnd: 0.02, trainSteps });
      const predictNoise: PredictNoise = async (x, at) => x.map((value) => (value * at) / (at + 1));
      const denoise = createDenoiser({ model, prediction, predictNoise });
      const options = { noise: () => t.fail('noise was drawn') as never, noiseModel: model };
      // In diffusers' tests those that step in variance-preserving space begin there with the same values.
      const inSigmaSpace = /^(Euler|Heun|KDPM2|LMS)/.test(reference);
      const scale = inSigmaSpace ? sigmas[0] : Math.sqrt(sigmas[0] ** 2 + 1);
      const start = Float32Array.from({ length: 768 }, (_, i) => (i / 768) * scale);
      const taken = await collect(samplers[name](denoise, start, sigmas, { ...options, eta: 0 }));
      const x = Array.from(taken[taken.length - 1].x);
      const sum = x.reduce((total, value) => total + Math.abs(value), 0);
      const near = (actual: number, expected: number) => Math.abs(actual / expected - 1) < fullLoops.toleranceRelative;
      t.ok(near(sum, end.sum), `sum ${sum}, diffusers has ${end.sum}`);
      t.ok(near(sum / 768, end.mean));
      t.ok(near(x[767], end.last), `last ${x[767]}, diffusers has ${end.last}`);
    });
  }
}

/** A stochastic sampler turns noise into the distribution of the data, here a normal one, if its steps are small. */
export function leadsToTheData(t: Test, sampler: Sampler, steps = 300): void {
  t.test('small steps lead to the distribution of the data', async (t) => {
    const [count, from, to] = [8000, 20, 0.05];
    const source = philoxNoise(3);
    const start: Float32Array = source.normal(count).map((value) => value * Math.hypot(from, deviation) + mean);
    const options = { ...optionsFor(denoiseGaussian, count), noise: () => source.normal(count) };
    let x: Float32Array = start;
    for await (const step of sampler(denoiseGaussian, start, geometric(steps, from, to), options)) x = step.x;
    const end = Array.from(x);
    const endMean = end.reduce((sum, value) => sum + value, 0) / count;
    const endDeviation = Math.sqrt(end.reduce((sum, value) => sum + (value - endMean) ** 2, 0) / count);
    // Four standard errors, and as much again for what the steps' size leaves.
    t.ok(Math.abs(endMean - mean) < 0.03, `mean ${endMean}`);
    t.ok(Math.abs(endDeviation / Math.hypot(deviation, to) - 1) < 0.04, `deviation ${endDeviation}`);
  });
}

/** By how much the error of a deterministic sampler shrinks when 40 steps become 80, where the solution is known. */
export async function errorRatio(sampler: Sampler): Promise<number> {
  const [from, to] = [10, 0.2];
  const starts = Float32Array.of(12, -8, 3, -15);
  const errorOf = async (steps: number) => {
    const options = optionsFor(denoiseMixture, starts.length);
    const taken = await collect(sampler(denoiseMixture, starts, geometric(steps, from, to), options));
    return Math.hypot(...starts.map((x, i) => taken[steps - 1].x[i] - flowMixture(x, from, to)));
  };
  return (await errorOf(40)) / (await errorOf(80));
}
