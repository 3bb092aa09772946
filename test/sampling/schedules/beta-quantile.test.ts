import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { betaProbability, betaQuantile } from '../../../lib/sampling/schedules/beta-quantile';
import { largestRelativeError } from '../close';

const fixture: {
  betaQuantiles: { alpha: number; beta: number; probabilities: number[]; quantiles: number[] }[];
} = JSON.parse(readFileSync(join(__dirname, '../../fixtures/sampling/schedules.json'), 'utf8'));

for (const { alpha, beta, probabilities, quantiles } of fixture.betaQuantiles) {
  t.test(`beta(${alpha}, ${beta}) as scipy has it`, async (t) => {
    const found = probabilities.map((probability) => betaQuantile(probability, alpha, beta));
    const error = largestRelativeError(found, quantiles);
    t.ok(error < 1e-9, `relative error ${error}`);
    const back = quantiles.map((x) => betaProbability(x, alpha, beta));
    t.ok(largestRelativeError(back, probabilities) < 1e-9);
  });
}

t.test('the arcsine distribution has its quantiles on paper', async (t) => {
  for (const probability of [0.01, 0.3, 0.5, 0.99]) {
    const expected = Math.sin((probability * Math.PI) / 2) ** 2;
    t.ok(Math.abs(betaQuantile(probability, 0.5, 0.5) / expected - 1) < 1e-11);
  }
});

t.test('ends', async (t) => {
  t.same([betaQuantile(0, 2, 3), betaQuantile(1, 2, 3)], [0, 1]);
  t.same([betaProbability(0, 2, 3), betaProbability(1, 2, 3)], [0, 1]);
});
