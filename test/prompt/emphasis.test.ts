import fc from 'fast-check';
import t from 'tap';
import { parseEmphasis, weightLimit } from '../../lib/prompt/emphasis';
import { anyPrompt } from './arbitrary-prompt';

/** Sections of `[text, weight]`, weights to six digits. */
const runs = (prompt: string) =>
  parseEmphasis(prompt).map((section) => section.map(({ text, weight }) => [text, Number(weight.toPrecision(6))]));

t.test('what A1111 documents', async (t) => {
  const weightOfWord = (prompt: string) => runs(prompt)[0].find(([text]) => text === 'word')?.[1];
  t.equal(weightOfWord('a (word)'), 1.1);
  t.equal(weightOfWord('a ((word))'), 1.21);
  t.equal(weightOfWord('a [word]'), 0.909091, '1 / 1.1');
  t.equal(weightOfWord('a (word:1.5)'), 1.5);
  t.equal(weightOfWord('a (word:0.25)'), 0.25);
  t.strictSame(runs('a \\(word\\)'), [[['a (word)', 1]]]);
  t.strictSame(runs('anime_\\(character\\)'), [[['anime_(character)', 1]]]);
  t.strictSame(runs('a man in a ((tuxedo))'), [
    [
      ['a man in a ', 1],
      ['tuxedo', 1.21],
    ],
  ]);
  t.strictSame(runs('a man in a (tuxedo:1.21)'), runs('a man in a ((tuxedo))'));
  t.strictSame(runs('[word:0.5]'), [[['word:0.5', 0.909091]]], 'square brackets take no weight');
  t.strictSame(
    runs('a (((farm))), daytime'),
    [
      [
        ['a ', 1],
        ['farm', 1.331],
        [', daytime', 1],
      ],
    ],
    'the comma stays',
  );
});

t.test('nesting', async (t) => {
  t.strictSame(runs('(a (b) [c])'), [
    [
      ['a ', 1.1],
      ['b', 1.21],
      [' ', 1.1],
      ['c', 1],
    ],
  ]);
  t.strictSame(runs('(a (b:2):1.5)'), [
    [
      ['a ', 1.5],
      ['b', 3],
    ],
  ]);
  t.strictSame(
    runs('([a)b]'),
    [
      [
        ['a', 1],
        ['b', 0.909091],
      ],
    ],
    'brackets of two kinds may cross',
  );
  t.strictSame(runs('(dis)(connected)'), [[['disconnected', 1.1]]], 'equal neighbours are one text');
});

t.test('weights', async (t) => {
  t.strictSame(runs('(a: 1.5 )(b:.5)(c:2.)(d:+3)(e:-1)(f:0)'), [
    [
      ['a', 1.5],
      ['b', 0.5],
      ['c', 2],
      ['d', 3],
      ['e', -1],
      ['f', 0],
    ],
  ]);
  t.strictSame(runs('(a:1.2.3)(b:x)(c:1e2)'), [[['a:1.2.3b:xc:1e2', 1.1]]], 'what is no number is text');
  t.strictSame(runs('at 10:30)'), [[['at 10:30)', 1]]], 'a weight needs its bracket');
  t.strictSame(runs(`(a:${'9'.repeat(400)})`), [[['a', weightLimit]]]);
});

t.test('brackets without a partner', async (t) => {
  t.strictSame(
    runs('a (b c'),
    [
      [
        ['a ', 1],
        ['b c', 1.1],
      ],
    ],
    'an open one reaches to the end',
  );
  t.strictSame(runs('a [b c'), [
    [
      ['a ', 1],
      ['b c', 0.909091],
    ],
  ]);
  t.strictSame(runs('a) b]'), [[['a) b]', 1]]], 'a closing one is text');
});

t.test('escapes', async (t) => {
  t.strictSame(runs('\\(\\)\\[\\]\\\\\\:\\|'), [[['()[]\\:|', 1]]]);
  t.strictSame(runs('(a\\:1.5)'), [[['a:1.5', 1.1]]]);
  t.strictSame(runs('(a\\\\)'), [[['a\\', 1.1]]], 'an escaped backslash escapes nothing');
  t.strictSame(runs('c:\\dir\\'), [[['c:\\dir\\', 1]]], 'a backslash before anything else is text');
});

t.test('BREAK', async (t) => {
  t.strictSame(runs('a  BREAK\nb'), [[['a', 1]], [['b', 1]]], 'spaces around it go');
  t.strictSame(
    runs('(a BREAK b:1.5) c'),
    [
      [['a', 1.5]],
      [
        ['b', 1.5],
        [' c', 1],
      ],
    ],
    'brackets reach over it',
  );
  t.strictSame(runs('BREAK a BREAK BREAK b BREAK'), [[], [['a', 1]], [], [['b', 1]], []]);
  t.strictSame(runs('break BREAKING'), [[['break BREAKING', 1]]]);
  t.strictSame(runs(''), [[]]);
});

t.test('any string parses, into finite weights', async () => {
  fc.assert(
    fc.property(anyPrompt, (prompt) =>
      parseEmphasis(prompt).every((section) =>
        section.every(
          ({ text, weight }, i) => text !== '' && Math.abs(weight) <= weightLimit && weight !== section[i - 1]?.weight,
        ),
      ),
    ),
    { numRuns: 1000 },
  );
});

t.test('escaped, any string is its own text', async () => {
  const withoutBreak = anyPrompt.map((prompt) => prompt.replaceAll('BREAK', ''));
  fc.assert(
    fc.property(withoutBreak, (prompt) => {
      const [[run] = [], ...rest] = parseEmphasis(prompt.replace(/[()[\]\\]/g, '\\$&'));
      return rest.length === 0 && (run?.text ?? '') === prompt && (run?.weight ?? 1) === 1;
    }),
  );
});

t.test('no characters are lost but brackets, weights, escapes and breaks', async () => {
  fc.assert(
    fc.property(anyPrompt, (prompt) => {
      const strip = (text: string) => text.replace(/[()[\]\\:.\d\s+-]|BREAK/g, '');
      const texts = parseEmphasis(prompt).map((section) => section.map(({ text }) => text).join(''));
      return strip(texts.join('BREAK')) === strip(prompt);
    }),
  );
});

t.test('deep nesting, in linear time', async (t) => {
  const depth = 200000;
  t.equal(parseEmphasis('(a'.repeat(depth))[0].at(-1)!.weight, weightLimit);
  const [[{ text, weight }]] = parseEmphasis(`${'('.repeat(depth)}a${')'.repeat(depth)}`);
  t.strictSame([text, weight], ['a', weightLimit]);
  t.equal(runs(`${'('.repeat(50)}a${')'.repeat(50)}`)[0][0][1], Number((1.1 ** 50).toPrecision(6)));
});
