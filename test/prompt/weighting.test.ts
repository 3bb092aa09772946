import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import t from 'tap';
import { DiffusionError } from '../../lib/errors';
import { applyWeights } from '../../lib/prompt/weighting';
import { relativeError } from '../support/compare';

interface Fixture {
  tolerance: number;
  weighting: { windows: number; embeddings: number[]; weights: number[]; expected: number[] }[];
}

t.test('what torch computes', async (t) => {
  const packed = readFileSync(join(__dirname, '../fixtures/prompt/prompt.json.gz'));
  const { tolerance, weighting }: Fixture = JSON.parse(gunzipSync(packed).toString());
  t.equal(weighting.length, 3);
  for (const { windows, embeddings, weights, expected } of weighting) {
    const actual = applyWeights(Float32Array.from(embeddings), Float32Array.from(weights), windows);
    const error = relativeError(actual, Float32Array.from(expected));
    t.ok(error < tolerance, `${embeddings.length} values: ${error}`);
  }
});

t.test('weights of 1 change nothing', async (t) => {
  const embeddings = Float32Array.of(0.1, -0.2, Number.NaN, 1e30);
  t.equal(applyWeights(embeddings, [1, 1]), embeddings);
});

t.test('each window keeps its own mean', async (t) => {
  const embeddings = Float32Array.of(1, 3, 10, 30);
  t.strictSame([...applyWeights(embeddings, [3, 1, 1, 1], 2)], [2, 2, 10, 30]);
  t.strictSame([...embeddings], [1, 3, 10, 30], 'the input stays');
});

t.test('a mean that cannot be restored is left', async (t) => {
  t.strictSame([...applyWeights(Float32Array.of(1, 2), [0, 0])], [0, 0]);
  t.strictSame([...applyWeights(Float32Array.of(1, 3), [3, -1])], [3, -3]);
});

t.test('values stay finite, and means what they were', async () => {
  const weight = fc.float({ min: Math.fround(0.1), max: 2, noNaN: true });
  const value = fc.float({ min: Math.fround(0.1), max: 30, noNaN: true });
  const mean = (values: Float32Array) => values.reduce((sum, x) => sum + x, 0) / values.length;
  fc.assert(
    fc.property(fc.array(fc.tuple(weight, value, value), { minLength: 1, maxLength: 20 }), (rows) => {
      const embeddings = Float32Array.from(rows.flatMap(([, a, b]) => [a, b]));
      const weighted = applyWeights(
        embeddings,
        rows.map(([w]) => w),
      );
      return Math.abs(mean(weighted) / mean(embeddings) - 1) < 1e-6;
    }),
  );
});

t.test('any finite weights leave finite values', async () => {
  const row = fc.tuple(fc.double({ min: -1e6, max: 1e6, noNaN: true }), fc.float({ min: -100, max: 100, noNaN: true }));
  fc.assert(
    fc.property(fc.array(row, { minLength: 1, maxLength: 8 }), (rows) =>
      applyWeights(
        Float32Array.from(rows.map(([, value]) => value)),
        rows.map(([weight]) => weight),
      ).every(Number.isFinite),
    ),
    { numRuns: 500 },
  );
});

t.test('lengths are checked', async (t) => {
  const refused = (values: number, weights: number, windows: number, message: string) =>
    t.throws(
      () => applyWeights(new Float32Array(values), new Float32Array(weights), windows),
      new DiffusionError('INVALID_ARGUMENT', message),
    );
  refused(4, 2, 0, 'windows: expected an integer of at least 1, got 0');
  refused(6, 3, 2, 'weights: expected as many weights for each of 2 windows, got 3');
  refused(6, 0, 1, 'weights: expected as many weights for each of 1 windows, got 0');
  refused(5, 2, 1, 'embeddings: expected a multiple of 2 values, one row a weight, got 5');
});
