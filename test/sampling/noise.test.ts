import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { batchNoise, philoxNoise, type Seed, torchNoise } from '../../lib/sampling/noise';

interface Fixture {
  toleranceAbsolute: number;
  short: { seed: string; draws: { length: number; values: number[] }[] }[];
  long: { seed: string; length: number; stride: number; values: number[]; last: number[]; sum: number }[];
}

const fixture: Fixture = JSON.parse(readFileSync(join(__dirname, '../fixtures/sampling/noise.json'), 'utf8'));

const largestDistance = (actual: ArrayLike<number>, expected: ArrayLike<number>) =>
  Math.max(...Array.from(expected, (value, i) => Math.abs(actual[i] - value)));

t.test('torchNoise is torch.randn with a CPU generator', async (t) => {
  for (const { seed, draws } of fixture.short) {
    const source = torchNoise(BigInt(seed));
    for (const { length, values } of draws) {
      const drawn = source.normal(length);
      t.equal(drawn.length, length);
      const distance = largestDistance(drawn, values);
      t.ok(distance <= fixture.toleranceAbsolute, `seed ${seed}, ${length} values: off by ${distance}`);
    }
  }
});

t.test('torchNoise holds over draws of the size of latents', async (t) => {
  for (const { seed, length, stride, values, last, sum } of fixture.long) {
    const drawn = torchNoise(BigInt(seed)).normal(length);
    const picked = values.map((_, i) => drawn[i * stride]);
    t.ok(largestDistance(picked, values) <= fixture.toleranceAbsolute);
    t.ok(largestDistance(drawn.slice(-16), last) <= fixture.toleranceAbsolute);
    const drawnSum = drawn.reduce((total, value) => total + value, 0);
    t.ok(Math.abs(drawnSum - sum) < 1e-3, `sum ${drawnSum}, torch has ${sum}`);
  }
});

t.test('torchNoise uses the low 32 bits of a seed, as torch does', async (t) => {
  t.same(torchNoise(2 ** 32 + 5).normal(20), torchNoise(5).normal(20));
});

t.test('philoxNoise is what CUDA draws for seed 0', async (t) => {
  // torch's own print on a GPU has four of these decimals; A1111 publishes all eight for its emulation.
  const published = [
    -0.92466259, -0.42534415, -2.6438457, 0.14518388, -0.12086647, -0.57972564, -0.62285122, -0.32838709, -1.07454231,
    -0.36314407, -1.67105067, 2.26550497,
  ];
  t.ok(largestDistance(philoxNoise(0).normal(12), published) < 5e-7);
});

t.test('philoxNoise is what GPUs drew in reports to the pytorch project', async (t) => {
  // The first three of randn, four decimals each: issues 79496, 143086 and 158398.
  const reported: [Seed, number[]][] = [
    [10, [-0.1029, 1.681, -0.2708]],
    [1, [-0.2963, 2.6764, -0.1408]],
    [42, [0.194, 2.1614, -0.1721]],
  ];
  for (const [seed, values] of reported) t.ok(largestDistance(philoxNoise(seed).normal(3), values) < 6e-5);
  // Issue 158398 goes on; the reports of two GPUs agree in the first three rows of 2048.
  const drawn = philoxNoise(42).normal(64 * 2048);
  t.ok(largestDistance(drawn.subarray(2045), [1.454, -2.7733, -0.8932, -0.4574, 0.8063, 0.158]) < 6e-5);
  t.ok(largestDistance(drawn.subarray(4093), [0.1124, 0.2769, -1.2535, 1.1346, -0.6329, -0.9147]) < 6e-5);
  t.ok(largestDistance(drawn.subarray(6141), [-1.0001, -1.1552, -0.6955]) < 6e-5);
});

t.test('philoxNoise: a draw does not depend on the sizes of others, and draws differ', async (t) => {
  const source = philoxNoise(9);
  const first = source.normal(4);
  const second = source.normal(8);
  const other = philoxNoise(9);
  t.same(other.normal(100).subarray(0, 4), first);
  t.same(other.normal(100).subarray(0, 8), second);
  t.notSame(second.subarray(0, 4), first);
  t.notSame(philoxNoise(9n + (1n << 32n)).normal(4), first, 'the high word of the seed counts');
});

for (const [name, create] of Object.entries({ philoxNoise, torchNoise })) {
  t.test(`${name} is normal: moments of 2^16 values`, async (t) => {
    const values = Array.from(create(1234).normal(2 ** 16));
    const moment = (power: number) => values.reduce((sum, value) => sum + value ** power, 0) / values.length;
    // Four standard errors of each moment of a unit normal: sqrt(1, 2, 15, 96 / n).
    for (const [power, expected, variance] of [
      [1, 0, 1],
      [2, 1, 2],
      [3, 0, 15],
      [4, 3, 96],
    ]) {
      t.ok(Math.abs(moment(power) - expected) < 4 * Math.sqrt(variance / values.length), `moment ${power}`);
    }
  });

  t.test(`${name} takes numbers and bigints, and refuses what is no seed`, async (t) => {
    t.same(create(77).normal(20), create(77n).normal(20));
    t.doesNotThrow(() => create((1n << 64n) - 1n));
    t.doesNotThrow(() => create(Number.MAX_SAFE_INTEGER));
    for (const seed of [-1, 1.5, Number.NaN, 2 ** 53, -1n, 1n << 64n, '1', undefined]) {
      t.throws(() => create(seed as Seed), { code: 'INVALID_REQUEST', message: /^seed: expected .* got / });
    }
  });

  t.test(`${name}: an image of a batch has the noise that it has alone`, async (t) => {
    const batch = batchNoise([5, 6, 7].map(create), 40);
    t.equal(batch.length, 120);
    [5, 6, 7].forEach((seed, i) => {
      t.same(batch.slice(i * 40, (i + 1) * 40), create(seed).normal(40));
    });
  });
}
