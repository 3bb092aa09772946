import t from 'tap';
import { dpm2Ancestral } from '../../../lib/sampling/samplers/dpm2-ancestral';
import { denoiseGaussian } from '../gaussian';
import { collect, followReferences, leadsToTheData, optionsFor } from './harness';

followReferences(t, 'dpm2_a');
leadsToTheData(t, dpm2Ancestral);

t.test('all noise and no step down: an eta that caps at the next level', async (t) => {
  let drawn = 0;
  const noise = () => {
    drawn++;
    return Float32Array.of(1, -1);
  };
  const options = { ...optionsFor(denoiseGaussian, 2), noise, eta: 100 };
  const [{ x, denoised }] = await collect(dpm2Ancestral(denoiseGaussian, Float32Array.of(5, -6), [8, 3], options));
  t.equal(drawn, 1);
  t.same(x, Float32Array.of(denoised[0] + 3, denoised[1] - 3));
});
