import t from 'tap';
import { philoxNoise } from '../../../lib/sampling/noise';
import { samplers } from '../../../lib/sampling/samplers/index';
import { schedules } from '../../../lib/sampling/schedules';
import type { Denoise } from '../../../lib/sampling/types';
import { denoiseGaussian } from '../gaussian';
import { collect, model } from './harness';

for (const [name, sampler] of Object.entries(samplers)) {
  t.test(`${name} yields once a step and leaves every array as it was`, async (t) => {
    const source = philoxNoise(1);
    const given: Float32Array[] = [];
    const copies: Float32Array[] = [];
    const keep = (x: Float32Array) => {
      given.push(x);
      copies.push(x.slice());
      return x;
    };
    const denoise: Denoise = async (x, sigma) => keep(await denoiseGaussian(keep(x), sigma));
    const start = keep(Float32Array.of(14, -3, 0.5, 7));
    const options = { noise: () => keep(source.normal(4)) };
    let steps = 0;
    for await (const step of sampler(denoise, start, schedules.karras(6, model), options)) {
      steps++;
      keep(step.x);
      keep(step.denoised);
    }
    t.equal(steps, 6);
    t.same(given, copies);
  });

  t.test(`${name} ends finite at sigma 0, in one step and in many`, async (t) => {
    for (const steps of [1, 2, 30]) {
      const source = philoxNoise(2);
      const options = { noise: () => source.normal(5) };
      const x = source.normal(5).map((value) => value * model.sigmaMax);
      const taken = await collect(sampler(denoiseGaussian, x, schedules.discrete(steps, model), options));
      t.ok(taken.every((step) => step.x.every(Number.isFinite)));
      t.same(taken[steps - 1].x, taken[steps - 1].denoised, 'a step to 0 is a step to the denoised latents');
    }
  });

  t.test(`${name} asks for one denoising a step, at that step's sigma`, async (t) => {
    const asked: number[] = [];
    const denoise: Denoise = (x, sigma) => {
      asked.push(sigma);
      return denoiseGaussian(x, sigma);
    };
    const sigmas = [4, 3, 2, 1, 0];
    await collect(sampler(denoise, new Float32Array(2), sigmas, { noise: () => new Float32Array(2) }));
    t.same(asked, [4, 3, 2, 1]);
  });

  t.test(`${name} stops when its reader stops`, async (t) => {
    let calls = 0;
    const denoise: Denoise = (x, sigma) => {
      calls++;
      return denoiseGaussian(x, sigma);
    };
    const options = { noise: () => new Float32Array(2) };
    for await (const _ of sampler(denoise, new Float32Array(2), [4, 3, 2, 1, 0], options)) break;
    t.equal(calls, 1);
  });

  t.test(`${name} passes on what the denoiser throws`, async (t) => {
    const denoise: Denoise = async () => {
      throw new RangeError('from the network');
    };
    const options = { noise: () => new Float32Array(2) };
    await t.rejects(collect(sampler(denoise, new Float32Array(2), [1, 0], options)), RangeError);
  });
}
