import t from 'tap';
import { dpmpp3mSde } from '../../../lib/sampling/samplers/dpmpp-3m-sde';
import { denoiseGaussian } from '../gaussian';
import { collect, followReferences, leadsToTheData, optionsFor } from './harness';

followReferences(t, 'dpmpp_3m_sde');
leadsToTheData(t, dpmpp3mSde);

t.test('a negative eta is refused', async (t) => {
  const options = { ...optionsFor(denoiseGaussian, 1), eta: -0.5 };
  await t.rejects(collect(dpmpp3mSde(denoiseGaussian, new Float32Array(1), [1, 0], options)), {
    code: 'INVALID_REQUEST',
    message: 'eta: expected a number of at least 0, got -0.5',
  });
});
