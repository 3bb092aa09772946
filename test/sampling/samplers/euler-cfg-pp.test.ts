import t from 'tap';
import { euler } from '../../../lib/sampling/samplers/euler';
import { eulerCfgPp } from '../../../lib/sampling/samplers/euler-cfg-pp';
import type { DenoisePair } from '../../../lib/sampling/types';
import { largestError } from '../close';
import { denoiseGaussian } from '../gaussian';
import { collect, optionsFor } from './harness';

const start = Float32Array.of(6, -7, 0.5);
const sigmas = [8, 3, 1, 0.2, 0];
const noise = () => new Float32Array(3);
const unused = () => Promise.reject(new Error('denoise was called'));

t.test('with both halves alike it is Euler', async (t) => {
  const options = optionsFor(denoiseGaussian, 3);
  const taken = await collect(eulerCfgPp(unused, start, sigmas, options));
  const expected = await collect(euler(denoiseGaussian, start, sigmas, options));
  taken.forEach(({ x, denoised }, i) => {
    t.ok(largestError(x, expected[i].x) < 1e-6);
    t.ok(largestError(denoised, expected[i].denoised) < 1e-6);
  });
});

t.test('is DDIM with guided latents and the unconditional noise, as the paper has it', async (t) => {
  // Algorithm 2 in its own terms: variance-preserving, with predictions of the noise.
  const lambda = 0.6;
  const conditionalNoise = (x: number) => 0.4 * x + 0.3;
  const unconditionalNoise = (x: number) => Math.sin(x);
  const alpha = (sigma: number) => 1 / (1 + sigma ** 2);
  let vp = Array.from(start, (value) => value * Math.sqrt(alpha(sigmas[0])));
  const denoisePair: DenoisePair = async (x, sigma) => {
    const scaled = Array.from(x, (value) => value * Math.sqrt(alpha(sigma)));
    const denoised = (noise: (value: number) => number) =>
      Float32Array.from(x, (value, i) => value - sigma * noise(scaled[i]));
    const guided = (value: number) =>
      unconditionalNoise(value) + lambda * (conditionalNoise(value) - unconditionalNoise(value));
    return { denoised: denoised(guided), unconditional: denoised(unconditionalNoise) };
  };
  const taken = await collect(eulerCfgPp(unused, start, sigmas, { noise, denoisePair }));
  taken.forEach(({ x }, i) => {
    const [now, next] = [alpha(sigmas[i]), alpha(sigmas[i + 1])];
    vp = vp.map((value) => {
      const free = unconditionalNoise(value);
      const guided = free + lambda * (conditionalNoise(value) - free);
      const image = (value - Math.sqrt(1 - now) * guided) / Math.sqrt(now);
      return Math.sqrt(next) * image + Math.sqrt(1 - next) * free;
    });
    t.ok(
      largestError(
        x,
        vp.map((value) => value / Math.sqrt(next)),
      ) < 1e-5,
      `step ${i + 1}`,
    );
  });
});

t.test('wants both halves', async (t) => {
  await t.rejects(collect(eulerCfgPp(denoiseGaussian, start, sigmas, { noise })), {
    code: 'INVALID_ARGUMENT',
    message: 'denoisePair: expected a function, which euler_cfg_pp needs, got none',
  });
});
