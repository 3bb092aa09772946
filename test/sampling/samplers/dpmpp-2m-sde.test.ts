import t from 'tap';
import { dpmpp2m } from '../../../lib/sampling/samplers/dpmpp-2m';
import { dpmpp2mSde } from '../../../lib/sampling/samplers/dpmpp-2m-sde';
import { largestError } from '../close';
import { denoiseGaussian } from '../gaussian';
import { collect, followReferences, leadsToTheData, optionsFor } from './harness';

followReferences(t, 'dpmpp_2m_sde');
leadsToTheData(t, dpmpp2mSde);

t.test('with eta 0 it is dpmpp_2m and draws no noise', async (t) => {
  const noise = () => t.fail('noise was drawn') as never;
  const start = Float32Array.of(5, -6);
  const taken = await collect(dpmpp2mSde(denoiseGaussian, start, [8, 4, 3, 1, 0], { noise, eta: 0 }));
  const expected = await collect(dpmpp2m(denoiseGaussian, start, [8, 4, 3, 1, 0], { noise }));
  taken.forEach(({ x }, i) => {
    t.ok(largestError(x, expected[i].x) < 1e-6);
  });
});

t.test('a negative eta is refused', async (t) => {
  const options = { ...optionsFor(denoiseGaussian, 1), eta: -0.5 };
  await t.rejects(collect(dpmpp2mSde(denoiseGaussian, new Float32Array(1), [1, 0], options)), {
    code: 'INVALID_REQUEST',
    message: 'eta: expected a number of at least 0, got -0.5',
  });
});
