import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { createFlowNoiseModel, createNoiseModel, type ScheduleName, schedules } from '../../lib/sampling/schedules';
import { largestRelativeError } from './close';

interface SigmaList {
  schedule?: ScheduleName;
  steps: number;
  sigmas: { length: number; stride: number; values: number[] };
}

const model = createNoiseModel({
  betaSchedule: 'scaled_linear',
  betaStart: 0.00085,
  betaEnd: 0.012,
  trainSteps: 1000,
});

const covered = new Set<string>();
for (const name of ['schedulers', 'schedules']) {
  const fixture: { toleranceRelative: number; sigmaLists: SigmaList[] } = JSON.parse(
    readFileSync(join(__dirname, `../fixtures/sampling/${name}.json`), 'utf8'),
  );
  for (const { schedule, steps, sigmas } of fixture.sigmaLists) {
    if (schedule === undefined) continue; // of a schedule with a parameter: by-sigma.test.ts
    covered.add(schedule);
    t.test(`${schedule}, ${steps} steps, as the reference has it`, async (t) => {
      const list = schedules[schedule](steps, model);
      t.equal(list.length, sigmas.length);
      const picked = list.filter((_, i) => i % sigmas.stride === 0);
      const error = largestRelativeError(picked, sigmas.values);
      t.ok(error < fixture.toleranceRelative, `relative error ${error}`);
    });
  }
}

t.test('every schedule has a reference', async (t) => {
  t.same([...covered].sort(), Object.keys(schedules).sort());
});

for (const [name, schedule] of Object.entries(schedules)) {
  const levels = { 'Stable Diffusion': model, 'a flow': createFlowNoiseModel({ shift: 3 }) };
  for (const [kind, model] of Object.entries(levels)) {
    t.test(`${name} is strictly decreasing to 0 for every number of steps, for ${kind}`, async (t) => {
      const most = name === 'lcm' ? 50 : 1000;
      for (let steps = 1; steps <= most; steps += steps < 60 ? 1 : 47) {
        const sigmas = schedule(steps, model);
        const decreasing = sigmas.every((sigma, i) => Number.isFinite(sigma) && (i === 0 || sigma < sigmas[i - 1]));
        const counted = sigmas.length === steps + 1 || name === 'ddim_uniform';
        if (!counted || sigmas[sigmas.length - 1] !== 0 || !decreasing) t.fail(`${steps} steps: ${sigmas}`);
      }
      const full = schedule(most, model);
      t.equal(full.length, name === 'ddim_uniform' ? most : most + 1);
      t.ok(full.every((sigma, i) => i === 0 || sigma < full[i - 1]));
    });
  }

  t.test(`${name} refuses impossible numbers of steps`, async (t) => {
    for (const steps of [0, -1, 2.5, Number.NaN, 1001]) {
      t.throws(() => schedule(steps, model), { code: 'INVALID_REQUEST', message: /^steps: expected an integer in 1/ });
    }
  });
}
