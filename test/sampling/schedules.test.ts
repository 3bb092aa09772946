import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { createNoiseModel, type ScheduleName, schedules } from '../../lib/sampling/schedules';
import { largestRelativeError } from './close';

interface SigmaList {
  schedule: ScheduleName;
  steps: number;
  sigmas: { length: number; stride: number; values: number[] };
}

const fixture: { toleranceRelative: number; sigmaLists: SigmaList[] } = JSON.parse(
  readFileSync(join(__dirname, '../fixtures/sampling/schedulers.json'), 'utf8'),
);
const model = createNoiseModel({
  betaSchedule: 'scaled_linear',
  betaStart: 0.00085,
  betaEnd: 0.012,
  trainSteps: 1000,
});

for (const { schedule, steps, sigmas } of fixture.sigmaLists) {
  t.test(`${schedule}, ${steps} steps, as the reference has it`, async (t) => {
    const list = schedules[schedule](steps, model);
    t.equal(list.length, sigmas.length);
    const picked = list.filter((_, i) => i % sigmas.stride === 0);
    const error = largestRelativeError(picked, sigmas.values);
    t.ok(error < fixture.toleranceRelative, `relative error ${error}`);
  });
}

for (const [name, schedule] of Object.entries(schedules)) {
  t.test(`${name} is strictly decreasing to 0 for every number of steps`, async (t) => {
    const most = name === 'lcm' ? 50 : 1000;
    for (let steps = 1; steps <= most; steps += steps < 60 ? 1 : 47) {
      const sigmas = schedule(steps, model);
      const decreasing = sigmas.every((sigma, i) => Number.isFinite(sigma) && (i === 0 || sigma < sigmas[i - 1]));
      if (sigmas.length !== steps + 1 || sigmas[steps] !== 0 || !decreasing) t.fail(`${steps} steps: ${sigmas}`);
    }
    const full = schedule(most, model);
    t.equal(full.length, most + 1);
    t.ok(full.every((sigma, i) => i === 0 || sigma < full[i - 1]));
  });

  t.test(`${name} refuses impossible numbers of steps`, async (t) => {
    for (const steps of [0, -1, 2.5, Number.NaN, 1001]) {
      t.throws(() => schedule(steps, model), { code: 'INVALID_REQUEST', message: /^steps: expected an integer in 1/ });
    }
  });
}

t.test('lcm ends at the 50 steps that models were distilled on', async (t) => {
  t.throws(() => schedules.lcm(51, model), {
    code: 'INVALID_REQUEST',
    message: 'steps: expected an integer in 1..50, got 51',
  });
});
