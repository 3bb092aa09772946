import t from 'tap';
import { euler } from '../../../lib/sampling/samplers/euler';
import { eulerAncestral } from '../../../lib/sampling/samplers/euler-ancestral';
import { largestError } from '../close';
import { denoiseGaussian } from '../gaussian';
import { collect, followDiffusers, followReferences, leadsToTheData } from './harness';

followDiffusers(t, 'euler_a');
followReferences(t, 'euler_a');

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

leadsToTheData(t, eulerAncestral, 400);
