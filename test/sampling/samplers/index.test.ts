import t from 'tap';
import { type SamplerName, samplers } from '../../../lib/sampling/samplers/index';
import { schedules } from '../../../lib/sampling/schedules';
import type { Denoise } from '../../../lib/sampling/types';
import { denoiseGaussian } from '../gaussian';
import { collect, model, optionsFor } from './harness';

/** The evaluations of the steps through sigmas 4, 3, 2, 1 and 0, for samplers that need more than one a step. */
const middle = (from: number, to: number) => Math.sqrt(from * to);
const middleTimestep = (from: number, to: number) =>
  model.timestepToSigma((model.sigmaToTimestep(from) + model.sigmaToTimestep(to)) / 2);
const withMiddles = (middleOf: (from: number, to: number) => number, times = 1) =>
  [4, 3, 2].map((from) => [from, ...Array<number>(times).fill(middleOf(from, from - 1))]);
const evaluations: Partial<Record<SamplerName, number[][]>> = {
  heun: [[4, 3], [3, 2], [2, 1], [1]],
  plms: [[4, 3], [3], [2], [1]],
  dpm2: [...withMiddles(middle), [1]],
  dpm2_a: [...withMiddles(middle), [1]],
  dpmpp_2s_a: [...withMiddles(middle), [1]],
  dpmpp_sde: [...withMiddles(middle), [1]],
  pndm: [...withMiddles(middleTimestep, 2).map((levels) => [...levels, levels[0] - 1]), [1]],
};

/** Their rule for a step to 0 looks back on the steps before; the rest end on the denoised latents. */
const lookingBack: readonly string[] = ['lms', 'pndm', 'plms', 'ipndm'];

/** What `eta` is where a request says nothing, of the samplers that have it. */
const defaultEtas: Partial<Record<SamplerName, number>> = {
  ...{ euler_a: 1, ddpm: 1, dpm2_a: 1, dpmpp_2s_a: 1, dpmpp_sde: 1, dpmpp_2m_sde: 1, dpmpp_3m_sde: 1 },
  ...{ tcd: 0.3, ddim: 0 },
};

for (const [name, sampler] of Object.entries(samplers)) {
  t.test(`${name} takes eta as the guide says`, async (t) => {
    const last = async (eta?: number) => {
      const options = { ...optionsFor(denoiseGaussian, 3), ...(eta === undefined ? {} : { eta }) };
      const taken = await collect(sampler(denoiseGaussian, Float32Array.of(3, -9, 5), [9, 4, 2, 1, 0.5], options));
      return taken[3].x;
    };
    const byDefault = defaultEtas[name as SamplerName];
    if (byDefault !== undefined) t.same(await last(), await last(byDefault));
    if (byDefault !== undefined) t.notSame(await last(), await last(0.7));
    else t.same(await last(0.7), await last(), 'it has no eta');
  });

  t.test(`${name} yields once a step and leaves every array as it was`, async (t) => {
    const given: Float32Array[] = [];
    const copies: Float32Array[] = [];
    const keep = (x: Float32Array) => {
      given.push(x);
      copies.push(x.slice());
      return x;
    };
    const denoise: Denoise = async (x, sigma) => keep(await denoiseGaussian(keep(x), sigma));
    const start = keep(Float32Array.of(14, -3, 0.5, 7));
    const { noise, ...options } = optionsFor(denoise, 4);
    let steps = 0;
    for await (const step of sampler(denoise, start, schedules.karras(6, model), {
      ...options,
      noise: () => keep(noise()),
    })) {
      steps++;
      keep(step.x);
      keep(step.denoised);
    }
    t.equal(steps, 6);
    t.same(given, copies);
  });

  t.test(`${name} ends finite at sigma 0, in one step and in many`, async (t) => {
    for (const steps of [1, 2, 30]) {
      const options = optionsFor(denoiseGaussian, 5, 2);
      const x = options.noise().map((value) => value * model.sigmaMax);
      const taken = await collect(sampler(denoiseGaussian, x, schedules.discrete(steps, model), options));
      t.ok(taken.every((step) => step.x.every(Number.isFinite)));
      const { x: end, denoised } = taken[steps - 1];
      if (!lookingBack.includes(name)) t.same(end, denoised, 'a step to 0 is a step to the denoised latents');
    }
  });

  t.test(`${name} evaluates where it says, no more often`, async (t) => {
    const asked: number[][] = [[]];
    const denoise: Denoise = (x, sigma) => {
      asked[asked.length - 1].push(sigma);
      return denoiseGaussian(x, sigma);
    };
    const options = { ...optionsFor(denoise, 2), eta: 0 };
    for await (const _ of sampler(denoise, new Float32Array(2), [4, 3, 2, 1, 0], options)) asked.push([]);
    const expected = [...(evaluations[name as SamplerName] ?? [[4], [3], [2], [1]]), []];
    const rounded = (levels: number[][]) => levels.map((step) => step.map((sigma) => Math.round(sigma * 1e9)));
    t.same(rounded(asked), rounded(expected));
  });

  t.test(`${name} stops when its reader stops`, async (t) => {
    let calls = 0;
    const denoise: Denoise = (x, sigma) => {
      calls++;
      return denoiseGaussian(x, sigma);
    };
    for await (const _ of sampler(denoise, new Float32Array(2), [4, 3, 2, 1, 0], optionsFor(denoise, 2))) break;
    t.equal(calls, evaluations[name as SamplerName]?.[0].length ?? 1);
  });

  t.test(`${name} passes on what the denoiser throws`, async (t) => {
    const denoise: Denoise = async () => {
      throw new RangeError('from the network');
    };
    await t.rejects(collect(sampler(denoise, new Float32Array(2), [1, 0], optionsFor(denoise, 2))), RangeError);
  });
}
