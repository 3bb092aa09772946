import t from 'tap';
import { lcm } from '../../../lib/sampling/samplers/lcm';
import { denoiseGaussian } from '../gaussian';
import { collect, followDiffusers } from './harness';

followDiffusers(t, 'lcm');

t.test('draws noise for every step but one to sigma 0', async (t) => {
  let drawn = 0;
  const noise = () => {
    drawn++;
    return new Float32Array(3);
  };
  await collect(lcm(denoiseGaussian, new Float32Array(3), [9, 4, 2, 0], { noise }));
  t.equal(drawn, 2);
});
