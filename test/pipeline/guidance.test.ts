import t from 'tap';
import { classifierFreeGuidance, guidedPrediction } from '../../lib/pipeline/guidance';

const cond = Float32Array.of(1, 2, -3);
const uncond = Float32Array.of(0.5, 2, 1);

t.test('guidance goes from the unconditional prediction through the conditional one', async (t) => {
  t.same(classifierFreeGuidance(cond, uncond, 0), uncond);
  t.same(classifierFreeGuidance(cond, uncond, 1), cond);
  t.same(classifierFreeGuidance(cond, uncond, 7.5), Float32Array.of(4.25, 2, -29));
});

t.test('two rows are the prompt and the negative prompt, in this order', async (t) => {
  const seen: [Float32Array, number][] = [];
  const predict = guidedPrediction(async (x, timestep) => {
    seen.push([x, timestep]);
    return Float32Array.of(...cond, ...uncond);
  }, 3);
  const x = new Float32Array(3);
  t.same(await predict(x, 12.5), Float32Array.of(2, 2, -11));
  t.same(seen, [[x, 12.5]]);
});

t.test('one row is passed on', async (t) => {
  t.same(await guidedPrediction(async () => cond, 7)(new Float32Array(3), 0), cond);
});

t.test('other numbers of rows are refused', async (t) => {
  for (const length of [0, 2, 4, 9]) {
    await t.rejects(guidedPrediction(async () => new Float32Array(length), 7)(new Float32Array(3), 0), {
      code: 'INVALID_ARGUMENT',
      message: `prediction: expected one or two rows of 3 values, got ${length} values`,
    });
  }
});
