import t from 'tap';
import { resolveSampler, resolveSchedule } from '../../lib/sampling/resolve';
import { euler, type SamplerName, samplers } from '../../lib/sampling/samplers/index';
import { createNoiseModel, type Schedule, type ScheduleName, schedules } from '../../lib/sampling/schedules';

const model = createNoiseModel({ betaSchedule: 'linear', betaStart: 0.0001, betaEnd: 0.02, trainSteps: 1000 });

t.test('names lead to samplers and schedules', async (t) => {
  for (const [name, sampler] of Object.entries(samplers)) t.equal(resolveSampler(name as SamplerName), sampler);
  for (const [name, schedule] of Object.entries(schedules)) t.equal(resolveSchedule(name as ScheduleName), schedule);
});

t.test('unknown names are answered with the known ones', async (t) => {
  for (const name of ['magic', 'constructor', '', 7]) {
    t.throws(() => resolveSampler(name as SamplerName), {
      code: 'UNKNOWN_SAMPLER',
      message: /^sampler: expected one of euler, euler_a, .*, lcm, tcd or a function, got ('|number)/,
    });
    t.throws(() => resolveSchedule(name as ScheduleName), {
      code: 'UNKNOWN_SCHEDULE',
      message: /^schedule: expected one of discrete, linspace, .*, lcm or .*, got ('|number)/,
    });
  }
});

t.test("a user's own sampler passes through", async (t) => {
  t.equal(resolveSampler(euler), euler);
});

t.test("a user's own schedule is called and its sigmas checked", async (t) => {
  t.same(resolveSchedule((steps) => [steps, 1, 0])(3, model), [3, 1, 0]);
  t.throws(() => resolveSchedule(() => [1, 2, 0])(2, model), { code: 'INVALID_REQUEST' });
  t.throws(() => resolveSchedule((() => undefined) as unknown as Schedule)(2, model), { code: 'INVALID_REQUEST' });
});

t.test("a user's own sigmas are copied", async (t) => {
  const sigmas = [10, 5, 1];
  const schedule = resolveSchedule(sigmas);
  sigmas[0] = 0;
  schedule(2, model)[1] = 99;
  t.same(schedule(2, model), [10, 5, 1]);
});

t.test('sigmas that no sampler can follow are refused, saying which', async (t) => {
  const cases: [number[], string][] = [
    [[], '0'],
    [[1], '1'],
    [[2, 2, 0], '2 after 2 at 1'],
    [[1, 3], '3 after 1 at 1'],
    [[1, -1], '-1 at 1'],
    [[Number.NaN, 0], 'NaN at 0'],
    [[Infinity, 0], 'Infinity at 0'],
    [['4', 0] as unknown as number[], '4 at 0'],
  ];
  for (const [sigmas, got] of cases) {
    t.throws(() => resolveSchedule(sigmas), {
      code: 'INVALID_REQUEST',
      message: `schedule: expected at least two finite sigmas, strictly decreasing, none below 0, got ${got}`,
    });
  }
});
