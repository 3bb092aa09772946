import t from 'tap';
import { philoxNoise } from '../../../lib/sampling/noise';
import { ddim } from '../../../lib/sampling/samplers/ddim';
import { euler } from '../../../lib/sampling/samplers/euler';
import { eulerAncestral } from '../../../lib/sampling/samplers/euler-ancestral';
import type { Sampler } from '../../../lib/sampling/types';
import { largestError } from '../close';
import { denoiseGaussian } from '../gaussian';
import { collect, errorRatio, followDiffusers, followFullLoops } from './harness';

followDiffusers(t, 'ddim');
followFullLoops(t, 'ddim');

t.test('is of first order: half the step, half the error', async (t) => {
  const ratio = await errorRatio(ddim);
  t.ok(ratio > 1.8 && ratio < 2.2, `${ratio}`);
});

t.test('eta leads from Euler to Euler ancestral', async (t) => {
  const last = async (sampler: Sampler, eta?: number) => {
    const source = philoxNoise(4);
    const options = { noise: () => source.normal(2), eta };
    return (await collect(sampler(denoiseGaussian, Float32Array.of(5, -6), [8, 3, 1, 0], options)))[2].x;
  };
  t.ok(largestError(await last(ddim), await last(euler)) < 1e-6, 'the default is 0');
  t.same(await last(ddim, 1), await last(eulerAncestral));
  t.notSame(await last(ddim, 0.5), await last(ddim));
  t.notSame(await last(ddim, 0.5), await last(ddim, 1));
});
