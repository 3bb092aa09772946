import fc from 'fast-check';
import t from 'tap';
import { splitComposition } from '../../lib/prompt/compose';
import { anyPrompt, plainText } from './arbitrary-prompt';

const parts = (prompt: string) => splitComposition(prompt).map(({ text, weight }) => [text, weight]);

t.test('what A1111 documents', async (t) => {
  t.strictSame(parts('a cat AND a dog'), [
    ['a cat', 1],
    [' a dog', 1],
  ]);
  t.strictSame(parts('a cat :1.2 AND a dog AND a penguin :2.2'), [
    ['a cat', 1.2],
    [' a dog', 1],
    [' a penguin', 2.2],
  ]);
  t.strictSame(parts('creature_embedding in the woods:0.7 AND arcane_embedding:0.5 AND glitch_embedding:0.2'), [
    ['creature_embedding in the woods', 0.7],
    [' arcane_embedding', 0.5],
    [' glitch_embedding', 0.2],
  ]);
});

t.test('weights', async (t) => {
  t.strictSame(parts('a: 2'), [['a', 2]], 'without AND too');
  t.strictSame(parts('a:-.5 AND b:+3.AND :1'), [
    ['a', -0.5],
    [' b', 3],
    ['', 1],
  ]);
  t.strictSame(parts('at 10:30:1'), [['at 10:30', 1]], 'the last colon');
  for (const text of [
    '(a:1.5)',
    'a:',
    'a:b',
    'a:1e3',
    'a:1.2.3',
    'a:.',
    '16\\:9',
    `a:${'9'.repeat(400)}`,
    '[a:b:3]',
    '',
  ]) {
    t.strictSame(parts(text), [[text, 1]], 'no weight');
  }
  t.strictSame(parts('a\\\\:2'), [['a\\\\', 2]], 'a backslash, then a weight');
});

t.test('any string parses, into finite weights', async () => {
  fc.assert(
    fc.property(anyPrompt, (prompt) => {
      const split = splitComposition(prompt);
      return split.length >= 1 && split.every(({ weight }) => Number.isFinite(weight));
    }),
    { numRuns: 1000 },
  );
});

t.test('prompts that are joined come apart again', async () => {
  const weighted = fc.tuple(plainText, fc.option(fc.integer({ min: -300, max: 300 }).map((n) => n / 100)));
  fc.assert(
    fc.property(fc.array(weighted, { minLength: 1, maxLength: 5 }), (list) => {
      const prompt = list.map(([text, weight]) => (weight === null ? text : `${text} :${weight}`)).join(' AND ');
      const split = splitComposition(prompt);
      return (
        split.length === list.length &&
        list.every(([text, weight], i) => split[i].text.trim() === text && split[i].weight === (weight ?? 1))
      );
    }),
  );
});

t.test('time grows with the length, not its square', async (t) => {
  t.equal(splitComposition(`a${' '.repeat(200000)}b${': '.repeat(200000)}`).length, 1);
});
