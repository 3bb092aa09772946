import t from 'tap';
import { ancestralStep } from '../../../lib/sampling/samplers/ancestral-step';

t.test('down and up make up the next level', async (t) => {
  for (const [from, to, eta] of [
    [14, 10, 1],
    [3, 0.2, 0.4],
    [1, 0.9, 0],
    [2, 1.9, 100],
  ]) {
    const { down, up } = ancestralStep(from, to, eta);
    t.ok(Math.abs(Math.hypot(down, up) - to) < 1e-12);
    t.ok(down >= 0 && up >= 0 && up <= to);
  }
});

t.test('the noise is that of DDPM at eta 1', async (t) => {
  // The variance of DDPM's posterior, (1 - a') / (1 - a) * (1 - a / a'), seen in sigma space: over a'.
  const [from, to] = [5, 2];
  const [alpha, nextAlpha] = [from, to].map((sigma) => 1 / (1 + sigma ** 2));
  const variance = ((1 - nextAlpha) / (1 - alpha)) * (1 - alpha / nextAlpha);
  t.ok(Math.abs(ancestralStep(from, to, 1).up - Math.sqrt(variance / nextAlpha)) < 1e-12);
});

t.test('a step to 0 adds nothing', async (t) => {
  t.same(ancestralStep(0.5, 0, 1), { down: 0, up: 0 });
});

t.test('a negative eta, or none, is refused', async (t) => {
  for (const eta of [-1, Number.NaN]) t.throws(() => ancestralStep(2, 1, eta), { code: 'INVALID_REQUEST' });
});
