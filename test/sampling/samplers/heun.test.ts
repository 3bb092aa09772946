import t from 'tap';
import { heun } from '../../../lib/sampling/samplers/heun';
import { errorRatio, followFullLoops, followReferences } from './harness';

followReferences(t, 'heun');
followFullLoops(t, 'heun');

t.test('is of second order: half the step, a quarter of the error', async (t) => {
  const ratio = await errorRatio(heun);
  t.ok(ratio > 3.5 && ratio < 4.6, `${ratio}`);
});
