import t from 'tap';
import { philoxNoise } from '../../../lib/sampling/noise';
import { dpmppSde } from '../../../lib/sampling/samplers/dpmpp-sde';
import type { Denoise } from '../../../lib/sampling/types';
import { denoiseGaussian } from '../gaussian';
import { collect, followReferences, leadsToTheData, optionsFor } from './harness';

followReferences(t, 'dpmpp_sde');
leadsToTheData(t, dpmppSde);

t.test('the noise of the half step is a part of that of the whole step', async (t) => {
  // Where all data is 0, x holds nothing but what was kept of the start and the noise.
  const count = 20000;
  const [from, to] = [9, 4];
  const seen: Float32Array[] = [];
  const nothing: Denoise = async (x) => {
    seen.push(x);
    return new Float32Array(x.length);
  };
  const source = philoxNoise(8);
  const options = { noise: () => source.normal(count), eta: 1 };
  const [{ x }] = await collect(dpmppSde(nothing, new Float32Array(count), [from, to], options));
  const product = (a: Float32Array, b: Float32Array) => a.reduce((sum, value, i) => sum + value * b[i], 0);
  const correlation = product(seen[1], x) / Math.sqrt(product(seen[1], seen[1]) * product(x, x));
  // Of a Brownian motion over sigma at 6, the geometric middle, and at 4.
  const expected = Math.sqrt((from - 6) / (from - to));
  t.ok(Math.abs(correlation - expected) < 0.02, `${correlation}, expected ${expected}`);
});

t.test('draws two noises a step, none to sigma 0 and none with eta 0', async (t) => {
  const drawn = async (eta: number) => {
    let count = 0;
    const noise = () => {
      count++;
      return new Float32Array(2);
    };
    await collect(dpmppSde(denoiseGaussian, new Float32Array(2), [9, 4, 2, 0], { noise, eta }));
    return count;
  };
  t.equal(await drawn(1), 4);
  t.equal(await drawn(0), 0);
});

t.test('a negative eta is refused, in a single step to 0 too', async (t) => {
  const options = { ...optionsFor(denoiseGaussian, 1), eta: -0.5 };
  await t.rejects(collect(dpmppSde(denoiseGaussian, new Float32Array(1), [1, 0], options)), {
    code: 'INVALID_REQUEST',
  });
});
