import t from 'tap';
import { checkSteps, overRamp } from '../../../lib/sampling/schedules/schedule';

t.test('a ramp has both its ends, and 0 behind it', async (t) => {
  t.same(
    overRamp(3, (share) => 5 - share),
    [5, 4.5, 4, 0],
  );
  t.same(
    overRamp(1, (share) => 5 - share),
    [5, 0],
  );
});

t.test('steps are whole and within bounds', async (t) => {
  t.doesNotThrow(() => checkSteps(1, 7));
  t.doesNotThrow(() => checkSteps(7, 7));
  t.throws(() => checkSteps(8, 7), { code: 'INVALID_REQUEST', message: 'steps: expected an integer in 1..7, got 8' });
});
