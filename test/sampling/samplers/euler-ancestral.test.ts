import t from 'tap';
import { philoxNoise } from '../../../lib/sampling/noise';
import { euler } from '../../../lib/sampling/samplers/euler';
import { eulerAncestral } from '../../../lib/sampling/samplers/euler-ancestral';
import { largestError } from '../close';
import { denoiseGaussian, deviation, geometric, mean } from '../gaussian';
import { collect, followDiffusers } from './harness';

followDiffusers(t, 'euler_a');

t.test('with eta 0 it is Euler and draws no noise', async (t) => {
  const noise = () => {
    throw new Error('noise was drawn');
  };
  const start = Float32Array.of(5, -6);
  const taken = await collect(eulerAncestral(denoiseGaussian, start, [8, 3, 1, 0], { noise, eta: 0 }));
  const expected = await collect(euler(denoiseGaussian, start, [8, 3, 1, 0], { noise }));
  taken.forEach(({ x }, i) => {
    t.ok(largestError(x, expected[i].x) < 1e-6);
  });
});

t.test('a negative eta is refused', async (t) => {
  const options = { noise: () => new Float32Array(1), eta: -0.5 };
  await t.rejects(collect(eulerAncestral(denoiseGaussian, new Float32Array(1), [1, 0], options)), {
    code: 'INVALID_REQUEST',
    message: 'eta: expected a number of at least 0, got -0.5',
  });
});

t.test('small steps lead to the distribution of the data', async (t) => {
  const [count, steps, from, to] = [8000, 400, 20, 0.05];
  const source = philoxNoise(3);
  const start = source.normal(count).map((value) => value * from);
  const options = { noise: () => source.normal(count) };
  const taken = await collect(eulerAncestral(denoiseGaussian, start, geometric(steps, from, to), options));
  const end = Array.from(taken[steps - 1].x);
  const endMean = end.reduce((sum, value) => sum + value, 0) / count;
  const endDeviation = Math.sqrt(end.reduce((sum, value) => sum + (value - endMean) ** 2, 0) / count);
  t.ok(Math.abs(endMean - mean) < 0.02, `mean ${endMean}`);
  t.ok(Math.abs(endDeviation / Math.hypot(deviation, to) - 1) < 0.03, `deviation ${endDeviation}`);
});
