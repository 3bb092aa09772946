/** A report beside a saved one. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { compare, readReport } from '../../lib/bench/baseline';
import { describeComparison } from '../../lib/bench/text';
import { aReport, aResult, aRound } from './reports';

t.test('twice as fast, on another machine', async (t) => {
  const then = aReport([aResult([aRound(2)])]);
  then.environment.versions.node = '22.0.0';
  then.settings.steps = 20;
  const now = aReport([aResult(), aResult([aRound()], 'q8_0')]);
  const comparison = compare(now, then);
  t.strictSame(comparison.differences, ['versions.node: 22.0.0 then, 20.1.2 now', 'steps: 20 then, 2 now']);
  t.strictSame(comparison.missing, ['512 x 512, q8_0']);
  t.equal(comparison.results.length, 1);
  t.strictSame(comparison.results[0].ratios.step, { median: 0.5, least: 2 / 6, most: 3 / 4 });
  t.strictSame(comparison.results[0].ratios.peakBytes, { median: 1, least: 1, most: 1 });
  const text = describeComparison(comparison);
  t.match(text, /not the same: steps: 20 then, 2 now/);
  t.match(text, /step +0\.50 x \(0\.33 x to 0\.75 x\)/);
  t.match(text, /not in the baseline: 512 x 512, q8_0/);
});

t.test('a report compares with itself as equal', async (t) => {
  const { differences, missing, results } = compare(aReport(), aReport());
  t.strictSame([differences, missing], [[], []]);
  for (const { median } of Object.values(results[0].ratios)) t.equal(median, 1);
});

t.test('a saved report is read as it was; what is none is refused', async (t) => {
  const folder = t.testdir();
  const file = path.join(folder, 'saved.json');
  writeFileSync(file, JSON.stringify(aReport()));
  t.strictSame(await readReport(file), aReport());
  await t.rejects(readReport(path.join(folder, 'absent.json')), { code: 'FILE_NOT_FOUND' });
  const wrong: [unknown, RegExp][] = [
    ['not JSON', /no JSON/],
    [null, /kind/],
    [{ ...aReport(), version: 2 }, /version is 2/],
    [{ ...aReport(), environment: null }, /no environment/],
    [{ ...aReport(), results: {} }, /no results/],
    [{ ...aReport(), results: [null] }, /results\[0\] has no load/],
    [{ ...aReport(), results: [{ ...aResult(), step: { median: 'long' } }] }, /results\[0\] has no step/],
  ];
  for (const [value, message] of wrong) {
    writeFileSync(file, typeof value === 'string' ? value : JSON.stringify(value));
    await t.rejects(readReport(file), { code: 'FILE_INVALID', message });
  }
});
