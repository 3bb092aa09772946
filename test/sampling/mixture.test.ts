import t from 'tap';
import { heun } from '../../lib/sampling/samplers/heun';
import { largestError } from './close';
import { geometric } from './gaussian';
import { denoiseMixture, flowMixture, normalShare } from './mixture';
import { collect } from './samplers/harness';

t.test('the share of a unit normal below z is the one in the tables', async (t) => {
  for (const [z, share] of [
    [0, 0.5],
    [1, 0.841344746068543],
    [-1.96, 0.02499789514822],
    [3, 0.99865010196837],
  ]) {
    t.ok(Math.abs(normalShare(z) - share) < 1e-14, `${z}`);
  }
});

t.test('the flow on paper is the flow in very small steps', async (t) => {
  const start = Float32Array.of(-25, -7, 1, 14, 33);
  const [from, to, steps] = [20, 0.05, 4000];
  const noise = () => new Float32Array(5);
  const taken = await collect(heun(denoiseMixture, start, geometric(steps, from, to), { noise }));
  const exact = start.map((x) => flowMixture(x, from, to));
  t.ok(largestError(taken[steps - 1].x, exact) < 1e-5);
});
