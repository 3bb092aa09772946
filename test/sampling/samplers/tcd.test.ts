import t from 'tap';
import { euler } from '../../../lib/sampling/samplers/euler';
import { lcm } from '../../../lib/sampling/samplers/lcm';
import { tcd } from '../../../lib/sampling/samplers/tcd';
import { schedules } from '../../../lib/sampling/schedules';
import { largestError } from '../close';
import { denoiseGaussian } from '../gaussian';
import { collect, followFullLoops, followReferences, model, optionsFor } from './harness';

followReferences(t, 'tcd');
followFullLoops(t, 'tcd');

const sigmas = schedules.lcm(4, model);
const start = Float32Array.of(12, -9, 3);
const run = async (eta: number) => {
  const options = { ...optionsFor(denoiseGaussian, 3, 5), eta };
  return (await collect(tcd(denoiseGaussian, start, sigmas, options))).map(({ x }) => x);
};

t.test('eta 0 is Euler, eta 1 nearly multistep consistency sampling', async (t) => {
  const options = optionsFor(denoiseGaussian, 3, 5);
  const eulers = await collect(euler(denoiseGaussian, start, sigmas, options));
  (await run(0)).forEach((x, i) => {
    t.ok(largestError(x, eulers[i].x) < 1e-6);
  });
  const lcms = await collect(lcm(denoiseGaussian, start, sigmas, options));
  // It jumps to the lowest level, not to 0.
  (await run(1)).forEach((x, i) => {
    t.ok(largestError(x, lcms[i].x) < 0.03);
  });
});

t.test('wants the noise model, and an eta within 0..1', async (t) => {
  const { noise } = optionsFor(denoiseGaussian, 3);
  await t.rejects(collect(tcd(denoiseGaussian, start, sigmas, { noise })), {
    code: 'INVALID_ARGUMENT',
    message: "noiseModel: expected the model's, which tcd needs, got none",
  });
  for (const eta of [-0.1, 1.1, Number.NaN]) {
    await t.rejects(run(eta), {
      code: 'INVALID_REQUEST',
      message: `eta: expected a number in 0..1, got ${eta}`,
    });
  }
});
