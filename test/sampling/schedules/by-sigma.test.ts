import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { createNoiseModel } from '../../../lib/sampling/noise-model';
import {
  betaSchedule,
  betaWith,
  karrasSchedule,
  karrasWith,
  polyexponentialWith,
} from '../../../lib/sampling/schedules/by-sigma';
import { largestRelativeError } from '../close';

const fixture: {
  toleranceRelative: number;
  sigmaLists: { rho?: number; steps: number; sigmas: { values: number[] } }[];
} = JSON.parse(readFileSync(join(__dirname, '../../fixtures/sampling/schedules.json'), 'utf8'));
const model = createNoiseModel({
  betaSchedule: 'scaled_linear',
  betaStart: 0.00085,
  betaEnd: 0.012,
  trainSteps: 1000,
});

for (const { rho, steps, sigmas } of fixture.sigmaLists) {
  if (rho === undefined) continue;
  t.test(`polyexponential with rho ${rho}`, async (t) => {
    const error = largestRelativeError(polyexponentialWith(rho)(steps, model), sigmas.values);
    t.ok(error < fixture.toleranceRelative, `relative error ${error}`);
  });
}

t.test('parameters: what they are without, and what they do', async (t) => {
  t.same(karrasWith(7)(12, model), karrasSchedule(12, model));
  t.same(betaWith(0.6, 0.6)(12, model), betaSchedule(12, model));
  // Rho 1 is even in sigma, and so is the uniform distribution, beta(1, 1).
  const even = Array.from({ length: 12 }, (_, i) => model.sigmaMax + (i / 11) * (model.sigmaMin - model.sigmaMax));
  t.ok(largestRelativeError(karrasWith(1)(12, model), [...even, 0]) < 1e-12);
  t.ok(largestRelativeError(betaWith(1, 1)(12, model), [...even, 0]) < 1e-12);
});

t.test('impossible parameters are refused', async (t) => {
  for (const value of [0, -1, Number.NaN, Infinity]) {
    const refused = (name: string) => ({
      code: 'INVALID_ARGUMENT',
      message: `${name}: expected a finite number above 0, got ${value}`,
    });
    t.throws(() => karrasWith(value), refused('rho'));
    t.throws(() => polyexponentialWith(value), refused('rho'));
    t.throws(() => betaWith(value, 1), refused('alpha'));
    t.throws(() => betaWith(1, value), refused('beta'));
  }
});
