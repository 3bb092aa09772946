import t from 'tap';
import { resizing } from '../../lib/pipeline/resize';
import { atOnce } from '../../lib/pipeline/slices';

const close = (a: Float32Array, b: readonly number[]) =>
  a.length === b.length && a.every((value, i) => Math.abs(value - b[i]) < 1e-5);

t.test("bilinear is torch's interpolate without antialiasing", async (t) => {
  const size = { height: 1, width: 4 };
  const line = Float32Array.of(0, 4, 8, 2);
  // torch 2: F.interpolate(x, size, mode='bilinear', align_corners=False)
  t.ok(close(atOnce(resizing(line, size, { height: 1, width: 8 }, 'bilinear')), [0, 1, 3, 5, 7, 6.5, 3.5, 2]));
  t.ok(close(atOnce(resizing(line, size, { height: 1, width: 2 }, 'bilinear')), [2, 5]));
  const square = Float32Array.of(1, 2, 3, 4);
  const larger = atOnce(resizing(square, { height: 2, width: 2 }, { height: 3, width: 3 }, 'bilinear'));
  t.ok(close(larger, [1, 1.5, 2, 2, 2.5, 3, 3, 3.5, 4]));
});

t.test('both kernels keep what is even, and each plane to itself', async (t) => {
  const planes = Float32Array.from({ length: 2 * 5 * 7 }, (_, i) => (i < 35 ? 3 : -2));
  for (const kernel of ['bilinear', 'lanczos'] as const) {
    for (const to of [
      { height: 9, width: 4 },
      { height: 2, width: 16 },
    ]) {
      const resized = atOnce(resizing(planes, { height: 5, width: 7 }, to, kernel));
      const size = to.height * to.width;
      t.equal(resized.length, 2 * size);
      t.ok(
        resized.every((value, i) => Math.abs(value - (i < size ? 3 : -2)) < 1e-5),
        `${kernel} to ${to.width}`,
      );
    }
  }
});

t.test('to the same size nothing changes', async (t) => {
  const planes = Float32Array.from({ length: 12 }, (_, i) => Math.sin(i));
  const size = { height: 3, width: 4 };
  for (const kernel of ['bilinear', 'lanczos'] as const) {
    t.ok(close(atOnce(resizing(planes, size, size, kernel)), [...planes]), kernel);
  }
});

t.test('Lanczos passes slow waves up and down, and lets fast ones go', async (t) => {
  const wave = (length: number, period: number) =>
    Float32Array.from({ length }, (_, i) => Math.sin((2 * Math.PI * (i + 0.5)) / period));
  const middle = (values: Float32Array) => values.slice(values.length / 4, (3 * values.length) / 4);
  const error = (a: Float32Array, b: Float32Array) =>
    Math.max(...middle(a).map((value, i) => Math.abs(value - middle(b)[i])));
  const resized = (from: Float32Array, width: number) =>
    atOnce(resizing(from, { height: 1, width: from.length }, { height: 1, width }, 'lanczos'));
  t.ok(error(resized(wave(64, 16), 128), wave(128, 32)) < 0.02, 'up');
  t.ok(error(resized(wave(128, 32), 64), wave(64, 16)) < 0.02, 'down');
  t.ok(Math.max(...middle(resized(wave(128, 2.5), 32)).map(Math.abs)) < 0.1, 'nothing aliases');
});
