import t from 'tap';
import { weightedSum } from '../../lib/sampling/vector';

t.test('adds in double precision and rounds once', async (t) => {
  const one = Float32Array.of(1);
  const tiny = Float32Array.of(2 ** -25);
  t.equal(weightedSum([1, one], [1, tiny], [-1, one])[0], 2 ** -25);
});

t.test('leaves its terms alone', async (t) => {
  const x = Float32Array.of(1, 2);
  const y = Float32Array.of(3, 4);
  t.same(weightedSum([2, x], [-1, y]), Float32Array.of(-1, 0));
  t.same([x, y], [Float32Array.of(1, 2), Float32Array.of(3, 4)]);
});

t.test('refuses terms of different lengths', async (t) => {
  t.throws(() => weightedSum([1, new Float32Array(2)], [1, new Float32Array(3)]), {
    code: 'INVALID_ARGUMENT',
    message: 'latents: expected 2 values, got 3',
  });
});
