import t from 'tap';
import { resolveSampler, resolveSchedule } from '../../lib/sampling/resolve';
import { euler, type SamplerName, samplers } from '../../lib/sampling/samplers/index';
import {
  createNoiseModel,
  type Schedule,
  type ScheduleName,
  schedules,
  timestepSchedule,
} from '../../lib/sampling/schedules';

const model = createNoiseModel({ betaSchedule: 'linear', betaStart: 0.0001, betaEnd: 0.02, trainSteps: 1000 });

t.test('names lead to samplers and schedules', async (t) => {
  for (const [name, sampler] of Object.entries(samplers)) t.equal(resolveSampler(name as SamplerName), sampler);
  for (const [name, schedule] of Object.entries(schedules)) t.equal(resolveSchedule(name as ScheduleName), schedule);
});

t.test('unknown names are answered with the known ones', async (t) => {
  for (const name of ['magic', 'constructor', '', 7]) {
    t.throws(() => resolveSampler(name as SamplerName), {
      code: 'UNKNOWN_SAMPLER',
      message: /^sampler: expected one of euler, euler_a, .*, lcm, tcd or a function, got ('|7)/,
    });
    t.throws(() => resolveSchedule(name as ScheduleName), {
      code: 'UNKNOWN_SCHEDULE',
      message: /^schedule: expected one of discrete, linspace, .*, lcm or .*, got ('|7)/,
    });
  }
});

t.test("a user's own sampler passes through", async (t) => {
  t.equal(resolveSampler(euler), euler);
});

t.test("a user's own schedule is called and its sigmas checked", async (t) => {
  t.same(resolveSchedule((steps) => [steps, 1, 0])(2, model), [2, 1, 0]);
  t.same(resolveSchedule(() => Float32Array.of(0.5, 0.1, 0))(2, model), [0.5, Math.fround(0.1), 0], 'of f32');
  t.throws(() => resolveSchedule(() => [1, 2, 0])(2, model), { code: 'INVALID_REQUEST' });
  const others: [unknown, string][] = [
    [undefined, 'undefined'],
    [Promise.reject(new Error('that nobody waits for')), 'a promise'],
    [new Float64Array(3), 'a Float64Array of 3'],
    ['3,2,0', '3,2,0'],
  ];
  for (const [given, got] of others) {
    t.throws(() => resolveSchedule((() => given) as unknown as Schedule)(2, model), {
      code: 'INVALID_REQUEST',
      message: `schedule: expected at least two finite sigmas, strictly decreasing, none below 0, got ${got}`,
    });
  }
  for (const [steps, expected] of [
    [1, '2 sigmas for 1 steps'],
    [3, '4 sigmas for 3 steps'],
  ] as const) {
    t.throws(() => resolveSchedule(() => [3, 1, 0])(steps, model), {
      code: 'INVALID_REQUEST',
      message: `schedule: expected ${expected}, got 3`,
    });
  }
});

t.test('what has steps of its own says how many', async (t) => {
  t.equal(resolveSchedule([10, 5, 1]).steps, 2);
  t.equal(resolveSchedule(Float32Array.of(10, 5, 1, 0)).steps, 3);
  const own = resolveSchedule(timestepSchedule([999, 500]));
  t.equal(own.steps, 2);
  t.equal(own(20, model).length, 3);
  t.equal(resolveSchedule('karras').steps, undefined);
  t.equal(resolveSchedule(schedules.ddim_uniform)(30, model).length, 32, 'ours are as they are by name');
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
