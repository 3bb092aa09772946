import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { resolveSchedule } from '../../lib/sampling/resolve';
import { samplers } from '../../lib/sampling/samplers/index';
import { schedules } from '../../lib/sampling/schedules';
import { largestError } from './close';
import { denoiseGaussian, flowGaussian } from './gaussian';
import { midpoint, roots } from './guide-example';
import { collect, errorRatio, model } from './samplers/harness';

const guide = readFileSync(join(__dirname, '../../docs/guides/samplers.md'), 'utf8');
const noise = () => new Float32Array(2);

t.test("the guide's example is the code that is tested here", async (t) => {
  const example = readFileSync(join(__dirname, 'guide-example.ts'), 'utf8');
  const blocks = [...guide.matchAll(/```ts\n(.*?)```/gs)].map(([, code]) => code);
  const code = blocks.filter((block) => block.includes('export const'));
  t.equal(code.length, 1);
  t.ok(example.endsWith(code[0].replace(/^import .*\n\n/, '')));
});

t.test('the guide lists every sampler and schedule', async (t) => {
  for (const name of [...Object.keys(samplers), ...Object.keys(schedules)]) t.match(guide, `\n| \`${name}\` |`);
});

t.test('its sampler has 15 lines at most', async (t) => {
  const [sampler] = /^export const midpoint.*?^};$/ms.exec(guide) ?? [];
  t.ok(sampler!.split('\n').length <= 15);
});

t.test('midpoint is of second order', async (t) => {
  const ratio = await errorRatio(midpoint);
  t.ok(ratio > 3.5 && ratio < 4.6, `${ratio}`);
});

t.test('midpoint and roots go together down to sigma 0', async (t) => {
  const sigmas = resolveSchedule(roots)(40, model);
  t.equal(sigmas.length, 41);
  const start = Float32Array.of(20, -9);
  const taken = await collect(midpoint(denoiseGaussian, start, sigmas, { noise }));
  t.equal(taken.length, 40);
  const exact = start.map((x) => flowGaussian(x, sigmas[0], 0));
  t.ok(largestError(taken[39].x, exact) < 0.02);
  t.same(start, Float32Array.of(20, -9));
  t.equal(resolveSchedule(roots)(1, model).length, 2);
});
