import t from 'tap';
import { Image } from '../../lib/image/image';
import { blurred, composite, keepLatents, latentMask, maskOf, nearest } from '../../lib/pipeline/mask';
import { atOnce } from '../../lib/pipeline/slices';

const near = (a: number, b: number) => Math.abs(a - b) < 1e-6;

t.test('a mask is the mean of the colours', async (t) => {
  const image = new Image(3, 1, Uint8Array.of(255, 255, 255, 0, 0, 0, 255, 0, 0));
  t.same(atOnce(maskOf(image)), Float32Array.of(1, 0, 1 / 3));
});

t.test('a blur keeps the sum, and follows the normal distribution', async (t) => {
  const size = { height: 31, width: 21 };
  const point = new Float32Array(31 * 21);
  point[15 * 21 + 10] = 1;
  const soft = atOnce(blurred(point, size, 2));
  t.ok(
    near(
      soft.reduce((a, b) => a + b, 0),
      1,
    ),
  );
  const at = (x: number, y: number) => soft[y * 21 + x];
  t.ok(near(at(10, 15) * Math.exp(-0.5), at(12, 15)), 'one deviation to the right');
  t.ok(near(at(10, 15) * Math.exp(-0.5), at(10, 13)), 'one deviation up');
  t.equal(atOnce(blurred(point, size, 0)), point, 'no deviation, no change');
  t.ok(
    atOnce(blurred(new Float32Array(6).fill(1), { height: 2, width: 3 }, 5)).every((value) => near(value, 1)),
    'edges go on',
  );
});

t.test('a resized mask takes the nearest of the old values', async (t) => {
  const [mask, from] = [Float32Array.of(1, 2, 3, 4), { height: 2, width: 2 }];
  t.equal(atOnce(nearest(mask, from, from)), mask);
  t.same(atOnce(nearest(mask, from, { height: 1, width: 4 })), Float32Array.of(3, 3, 4, 4));
});

t.test('a latent is repainted where any of its pixels is half white', async (t) => {
  const mask = new Float32Array(4 * 6);
  mask[1 * 6 + 3] = 0.5; // row 1, column 3: the second latent of the first row
  mask[3 * 6 + 0] = 0.49;
  t.same(atOnce(latentMask(mask, { height: 4, width: 6 }, 2)), Float32Array.of(0, 1, 0, 0, 0, 0));
});

t.test('pixels come from either picture, or mixed', async (t) => {
  const drawn = Float32Array.of(1, 1, 1, -1, -1, -1);
  const original = Float32Array.of(0, 0, 0, 0.1, 0.1, 0.1);
  t.same(atOnce(composite(drawn, original, Float32Array.of(1, 0, 0.5))), Float32Array.of(1, 0, 0.5, -1, 0.1, -0.45));
});

t.test('kept latents are the original with its noise, the others are left alone', async (t) => {
  // two pictures of two channels of two latents
  const x = Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8);
  const noise = x.map((value) => value / 8);
  const kept = { mask: Float32Array.of(1, 0), latents: Float32Array.of(10, 20, 30, 40), noise };
  t.same(keepLatents(x, kept, 2), Float32Array.of(1, 20.5, 3, 41, 5, 21.5, 7, 42));
  t.same(keepLatents(x, kept, 0), Float32Array.of(1, 20, 3, 40, 5, 20, 7, 40));
  t.same(x[1], 2, 'x is as it was');
});
