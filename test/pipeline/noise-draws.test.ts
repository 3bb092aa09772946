import t from 'tap';
import { noiseDraws, seedsOf, sphericalMix, subseedsOf } from '../../lib/pipeline/noise-draws';
import { philoxNoise, torchNoise } from '../../lib/sampling/noise';

const request = { seed: 7, subseed: 100, subseedStrength: 0, batchSize: 2, rng: 'philox' as const };
const shape = [2, 1, 4, 5] as const;

t.test('seeds follow each other, within their range', async (t) => {
  t.strictSame(seedsOf(request), [7, 8]);
  t.strictSame(seedsOf({ ...request, seed: 2n ** 64n - 1n }), [2n ** 64n - 1n, 0n]);
  t.strictSame(seedsOf({ ...request, seed: 2 ** 53 - 2, batchSize: 4 }), [
    ...[2 ** 53 - 2, 2 ** 53 - 1, 2n ** 53n, 2n ** 53n + 1n],
  ]);
  const varied = { ...request, subseedStrength: 0.1 };
  t.strictSame(seedsOf(varied), [7, 7], 'variations are of one seed');
  t.strictSame(subseedsOf(varied), [100, 101]);
});

t.test('each picture draws from its own source', async (t) => {
  const draw = noiseDraws(request, shape);
  const [first, second] = [philoxNoise(7), philoxNoise(8)];
  for (let i = 0; i < 2; i++) t.same(draw(), Float32Array.of(...first.normal(20), ...second.normal(20)));
  t.same(noiseDraws({ ...request, rng: 'torch' }, shape)().slice(0, 20), torchNoise(7).normal(20));
});

t.test('a variation is in the first draw only', async (t) => {
  const draw = noiseDraws({ ...request, subseedStrength: 1, batchSize: 1 }, [1, 1, 4, 5]);
  const source = philoxNoise(7);
  source.normal(20);
  t.same(draw(), philoxNoise(100).normal(20), 'at strength 1 it is all that there is');
  t.same(draw(), source.normal(20));
});

t.test('noise mixes along a great circle', async (t) => {
  const a = philoxNoise(1).normal(24 * 16);
  const b = philoxNoise(2).normal(24 * 16);
  const wide = [1, 2, 16, 12] as const;
  const largest = (x: Float32Array, y: Float32Array) => Math.max(...x.map((value, i) => Math.abs(value - y[i])));
  t.ok(largest(sphericalMix(a, b, 0, wide), a) < 1e-6);
  t.ok(largest(sphericalMix(a, b, 1, wide), b) < 1e-6);
  t.ok(largest(sphericalMix(a, a, 0.3, wide), a) < 1e-6, 'equal noise has nothing to go along');
  const deviation = (x: Float32Array) => Math.sqrt(x.reduce((sum, value) => sum + value ** 2, 0) / x.length);
  t.ok(deviation(sphericalMix(a, b, 0.5, wide)) > 0.9, 'half way it is as loud as at the ends');
  // Two perpendicular columns of length 1: the middle of the quarter circle.
  const middle = sphericalMix(Float32Array.of(1, 0), Float32Array.of(0, 1), 0.5, [1, 1, 2, 1]);
  t.ok(middle.every((value) => Math.abs(value - Math.SQRT1_2) < 1e-6));
});
