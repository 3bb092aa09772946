import t from 'tap';
import { dpmpp2m } from '../../../lib/sampling/samplers/dpmpp-2m';
import { errorRatio, followDiffusers, followFullLoops, followReferences } from './harness';

followDiffusers(t, 'dpmpp_2m');
followReferences(t, 'dpmpp_2m');
followFullLoops(t, 'dpmpp_2m');

t.test('is of second order: half the step, a quarter of the error', async (t) => {
  const ratio = await errorRatio(dpmpp2m);
  t.ok(ratio > 3.5 && ratio < 4.6, `${ratio}`);
});
