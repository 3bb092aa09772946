import t from 'tap';
import { clipped } from '../../lib/pipeline/clip';

const pair = { denoised: Float32Array.of(-3, -0.25, 0, 0.5, 3), unconditional: Float32Array.of(-1, 1, 1.5, -2, 0) };

t.test('a range holds both predictions', async (t) => {
  const { denoised, unconditional } = clipped(pair, 1);
  t.strictSame([...denoised], [-1, -0.25, 0, 0.5, 1]);
  t.strictSame([...unconditional], [-1, 1, 1, -1, 0]);
  t.strictSame([...pair.denoised], [-3, -0.25, 0, 0.5, 3], 'what was given is as it was');
});

t.test('no range, no change', async (t) => {
  t.equal(clipped(pair, undefined), pair);
});
