import fc from 'fast-check';
import t from 'tap';
import { extractExtraNetworks } from '../../lib/prompt/extra-networks';
import { anyPrompt } from './arbitrary-prompt';

const weights = (tag: string) => {
  const { networks } = extractExtraNetworks(tag);
  return [networks[0].textWeight, networks[0].unetWeight];
};

t.test('a reference is taken out of the text', async (t) => {
  t.strictSame(extractExtraNetworks('a cat <lora:fluffy:0.8>, night'), {
    text: 'a cat , night',
    networks: [{ tag: '<lora:fluffy:0.8>', kind: 'lora', name: 'fluffy', textWeight: 0.8, unetWeight: 0.8 }],
  });
  const { text, networks } = extractExtraNetworks('(<lora:a>:1.2)<hypernet:b c_1.5:.5>');
  t.equal(text, '(:1.2)');
  t.strictSame(
    networks.map(({ kind, name }) => [kind, name]),
    [
      ['lora', 'a'],
      ['hypernet', 'b c_1.5'],
    ],
  );
});

t.test('weights', async (t) => {
  t.strictSame(weights('<lora:a>'), [1, 1]);
  t.strictSame(weights('<lora:a:0.5>'), [0.5, 0.5]);
  t.strictSame(weights('<lora:a:0.5:1.5>'), [0.5, 1.5]);
  t.strictSame(weights('<lora:a:te=0.5>'), [0.5, 0.5]);
  t.strictSame(weights('<lora:a:unet=-0.5>'), [1, -0.5]);
  t.strictSame(weights('<lora:a: 1e-1 :te=2:unet=3>'), [2, 3]);
});

t.test('what cannot be understood is said', async (t) => {
  for (const [tag, problem] of [
    ['<lora:a:0,8>', "expected a number as weight, got '0,8'"],
    ['<lora:a:>', "expected a number as weight, got ''"],
    ['<lora:a:1:x>', "expected a number as weight, got 'x'"],
    [`<lora:a:${'9'.repeat(400)}>`, `expected a number as weight, got '${'9'.repeat(400)}'`],
    ['<lora: :1>', 'expected a name'],
    ['<lora:te=1>', 'expected a name'],
    ['<lora:a:1:1:1>', 'expected at most two weights, got 3'],
    ['<lora:a:dyn=4>', "expected te= or unet=, got 'dyn='"],
  ]) {
    const { text, networks } = extractExtraNetworks(tag);
    t.strictSame([text, networks.length, networks[0].problem], ['', 1, problem]);
  }
});

t.test('other angle brackets are text', async (t) => {
  for (const text of ['I <3 u', 'a <b> c', '<lora:>', '<:a>', '<|endoftext|>', '<lora:a', 'a -> b: <', '']) {
    t.strictSame(extractExtraNetworks(text), { text, networks: [] });
  }
  t.equal(extractExtraNetworks('<a: <lora:b:1>').text, '<a: ');
});

t.test('any string parses, into finite weights', async () => {
  fc.assert(
    fc.property(anyPrompt, (prompt) => {
      const { text, networks } = extractExtraNetworks(prompt);
      const tags = networks.reduce((length, { tag }) => length + tag.length, 0);
      return (
        text.length + tags === prompt.length &&
        networks.every(({ textWeight, unetWeight }) => Number.isFinite(textWeight) && Number.isFinite(unetWeight))
      );
    }),
    { numRuns: 1000 },
  );
});
