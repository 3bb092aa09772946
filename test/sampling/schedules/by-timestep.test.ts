import t from 'tap';
import { createNoiseModel } from '../../../lib/sampling/noise-model';
import { resolveSchedule } from '../../../lib/sampling/resolve';
import { ddimUniformSchedule, lcmSchedule, timestepSchedule } from '../../../lib/sampling/schedules/by-timestep';

const model = createNoiseModel({ betaSchedule: 'linear', betaStart: 0.0001, betaEnd: 0.02, trainSteps: 1000 });

t.test('lcm ends at the 50 steps that models were distilled on', async (t) => {
  t.throws(() => lcmSchedule(51, model), {
    code: 'INVALID_REQUEST',
    message: 'steps: expected an integer in 1..50, got 51',
  });
});

t.test('ddim_uniform has the steps asked for where they divide those of the training, and else more', async (t) => {
  const steps = (asked: number) => ddimUniformSchedule(asked, model).length - 1;
  t.same([1, 20, 50, 30, 400, 1000].map(steps), [1, 20, 50, 31, 500, 999]);
});

t.test('own timesteps become their levels', async (t) => {
  const timesteps = [999, 850.5, 12, 0];
  const schedule = timestepSchedule(timesteps);
  timesteps[0] = 5;
  const expected = [model.sigmaMax, model.timestepToSigma(850.5), model.sigmas[12], model.sigmaMin, 0];
  t.same(resolveSchedule(schedule)(20, model), expected);
});

t.test('own timesteps that are none are refused, saying which', async (t) => {
  const cases: [number[], string][] = [
    [[], 'none'],
    [[1000], '1000 at 0'],
    [[5, -1], '-1 at 1'],
    [[5, 5], '5 at 1'],
    [[5, 7], '7 at 1'],
    [[Number.NaN], 'NaN at 0'],
  ];
  for (const [timesteps, got] of cases) {
    t.throws(() => timestepSchedule(timesteps)(20, model), {
      code: 'INVALID_REQUEST',
      message: `timesteps: expected one or more within 0..999, strictly decreasing, got ${got}`,
    });
  }
});
