import t from 'tap';
import { dpm2 } from '../../../lib/sampling/samplers/dpm2';
import { denoiseGaussian } from '../gaussian';
import { collect, followFullLoops, followReferences, optionsFor } from './harness';

followReferences(t, 'dpm2');
followFullLoops(t, 'dpm2');

t.test('knows no eta', async (t) => {
  const last = async (eta?: number) => {
    const options = { ...optionsFor(denoiseGaussian, 2), eta };
    return (await collect(dpm2(denoiseGaussian, Float32Array.of(5, -6), [8, 3, 1, 0], options)))[2].x;
  };
  t.same(await last(1), await last());
});
