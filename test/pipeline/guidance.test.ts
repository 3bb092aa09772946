import t from 'tap';
import { classifierFreeGuidance, composedGuidance, rescaledGuidance } from '../../lib/pipeline/guidance';

const cond = Float32Array.of(1, 2, -3);
const uncond = Float32Array.of(0.5, 2, 1);

t.test('guidance goes from the unconditional prediction through the conditional one', async (t) => {
  t.same(classifierFreeGuidance(cond, uncond, 0), uncond);
  t.same(classifierFreeGuidance(cond, uncond, 1), cond);
  t.same(classifierFreeGuidance(cond, uncond, 7.5), Float32Array.of(4.25, 2, -29));
});

t.test('prompts joined by AND each pull by their weight', async (t) => {
  const other = Float32Array.of(2.5, 0, 1);
  const conds = [
    { weight: 1, prediction: cond },
    { weight: -0.5, prediction: other },
  ];
  // uncond + 2 * (1 * (cond - uncond) - 0.5 * (other - uncond))
  t.same(composedGuidance(conds, uncond, 2), Float32Array.of(-0.5, 4, -7));
  t.same(composedGuidance([{ weight: 1, prediction: cond }], uncond, 3), classifierFreeGuidance(cond, uncond, 3));
});

t.test('rescaling gives each picture the deviation that it has without guidance', async (t) => {
  const plain = Float32Array.of(1, -1, 2, -2);
  const guided = Float32Array.of(4, 0, 5, 1); // of deviation 2 each; plain has 1 and 2
  t.same(rescaledGuidance(guided, plain, 1, 2), Float32Array.of(2, 0, 5, 1));
  t.same(rescaledGuidance(guided, plain, 0.5, 2), Float32Array.of(3, 0, 5, 1));
  t.same(rescaledGuidance(guided, plain, 0, 2), guided);
  const flat = Float32Array.of(3, 3);
  t.same(rescaledGuidance(flat, plain.subarray(0, 2), 1, 1), flat, 'what has no deviation stays');
});
