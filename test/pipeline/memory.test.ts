import t from 'tap';
import { type Answer, AnswerMemory } from '../../lib/pipeline/memory';

t.test('what is remembered is not evaluated again', async (t) => {
  const asked: number[] = [];
  const evaluate = async (x: Float32Array, sigma: number) => {
    asked.push(sigma);
    return { denoised: x.map((value) => value + sigma), unconditional: x.map((value) => value - sigma) };
  };
  const x = Float32Array.of(1);
  const first = new AnswerMemory();
  const denoise = first.remembering(evaluate);
  await denoise(x, 3, false);
  await denoise(x, 2, true);
  t.strictSame(first.answers, [[Float32Array.of(4)], [Float32Array.of(3), Float32Array.of(-1)]]);

  const second = new AnswerMemory([...first.answers] as Answer[]);
  const again = second.remembering(evaluate);
  t.strictSame(await again(x, 3, false), { denoised: Float32Array.of(4), unconditional: Float32Array.of(4) });
  t.strictSame(await again(x, 2, true), { denoised: Float32Array.of(3), unconditional: Float32Array.of(-1) });
  t.strictSame(asked, [3, 2]);
  t.strictSame((await again(x, 1, true)).denoised, Float32Array.of(2));
  t.strictSame(asked, [3, 2, 1], 'what is new is');
  t.equal(second.answers.length, 3);
  t.equal(first.answers.length, 2);
});
