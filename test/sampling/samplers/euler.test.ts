import t from 'tap';
import { euler } from '../../../lib/sampling/samplers/euler';
import { errorRatio, followDiffusers, followFullLoops, followReferences } from './harness';

followDiffusers(t, 'euler');
followReferences(t, 'euler');
followFullLoops(t, 'euler');

t.test('is of first order: half the step, half the error', async (t) => {
  const ratio = await errorRatio(euler);
  t.ok(ratio > 1.8 && ratio < 2.2, `${ratio}`);
});
