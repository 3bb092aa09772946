import t from 'tap';
import { dpmpp2sAncestral } from '../../../lib/sampling/samplers/dpmpp-2s-ancestral';
import { denoiseGaussian } from '../gaussian';
import { collect, followReferences, leadsToTheData, optionsFor } from './harness';

followReferences(t, 'dpmpp_2s_a');
leadsToTheData(t, dpmpp2sAncestral);

t.test('all noise and no step down: an eta that caps at the next level', async (t) => {
  let drawn = 0;
  const noise = () => {
    drawn++;
    return Float32Array.of(1, -1);
  };
  const options = { ...optionsFor(denoiseGaussian, 2), noise, eta: 100 };
  const [{ x, denoised }] = await collect(dpmpp2sAncestral(denoiseGaussian, Float32Array.of(5, -6), [8, 3], options));
  t.equal(drawn, 1);
  t.same(x, Float32Array.of(denoised[0] + 3, denoised[1] - 3));
});
