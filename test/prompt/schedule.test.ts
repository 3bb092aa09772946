import fc from 'fast-check';
import t from 'tap';
import { DiffusionError } from '../../lib/errors';
import { parseSchedule, scheduleIndexAt } from '../../lib/prompt/schedule';
import { anyPrompt, plainText } from './arbitrary-prompt';

const texts = (prompt: string, steps = 10) =>
  parseSchedule(prompt, steps).map(({ untilStep, text }) => [untilStep, text]);

/** The text of every step, 1 to `steps`. */
function textByStep(prompt: string, steps: number): string[] {
  const schedule = parseSchedule(prompt, steps);
  return Array.from({ length: steps }, (_, i) => schedule[scheduleIndexAt(schedule, i + 1)].text);
}

t.test('what A1111 documents', async (t) => {
  t.strictSame(texts('a [fantasy:cyberpunk:16] landscape', 20), [
    [16, 'a fantasy landscape'],
    [20, 'a cyberpunk landscape'],
  ]);
  const prompt =
    'fantasy landscape with a [mountain:lake:0.25] and [an oak:a christmas tree:0.75][ in foreground::0.6]' +
    '[ in background:0.25] [shoddy:masterful:0.5]';
  t.strictSame(texts(prompt, 100), [
    [25, 'fantasy landscape with a mountain and an oak in foreground shoddy'],
    [50, 'fantasy landscape with a lake and an oak in foreground in background shoddy'],
    [60, 'fantasy landscape with a lake and an oak in foreground in background masterful'],
    [75, 'fantasy landscape with a lake and an oak in background masterful'],
    [100, 'fantasy landscape with a lake and a christmas tree in background masterful'],
  ]);
  t.strictSame(texts('[male:female:0.0], cheerful'), [[10, 'female, cheerful']], 'from the start');
  t.strictSame(textByStep('[cow|horse] in a field', 3), ['cow in a field', 'horse in a field', 'cow in a field']);
  const animals = textByStep('[cow|cow|horse|man|siberian tiger|ox|man] in a field', 8);
  t.strictSame(
    animals.map((text) => text.replace(' in a field', '')),
    ['cow', 'cow', 'horse', 'man', 'siberian tiger', 'ox', 'man', 'cow'],
    'step 8 begins anew',
  );
});

t.test('when: a share with a decimal point, a step without', async (t) => {
  const until = (when: string, steps = 10) => parseSchedule(`[a:b:${when}]`, steps)[0].untilStep;
  t.equal(until('1'), 1);
  t.equal(until('.5'), 5);
  t.equal(until('0.29', 100), 28, 'rounded down, as 0.29 * 100 is in f64');
  t.equal(until('0.99', 20), 19);
  t.equal(until(' 3 '), 3);
  t.equal(until('+3'), 3);
  for (const never of ['1.0', '1.5', '10', '99', '1e9', '9'.repeat(400)]) {
    t.strictSame(texts(`[a:b:${never}]`), [[10, 'a']], `${never.slice(0, 9)}: never within 10 steps`);
  }
  for (const always of ['0', '0.0', '0.09', '-3', '-0.5']) t.strictSame(texts(`[a:b:${always}]`), [[10, 'b']], always);
});

t.test('spaces and empty texts', async (t) => {
  t.strictSame(texts('x [a : b : 4] y'), [
    [4, 'x a  y'],
    [10, 'x  b  y'],
  ]);
  t.strictSame(texts('x [a::4]'), [
    [4, 'x a'],
    [10, 'x '],
  ]);
  t.strictSame(texts('x [:a:4]'), texts('x [a:4]'));
  t.strictSame(textByStep('[fe|]male', 3), ['female', 'male', 'female']);
  t.strictSame(textByStep('[|a||]', 5), ['', 'a', '', '', '']);
});

t.test('nesting', async (t) => {
  t.strictSame(texts('x[a:[b:c:6]:2]y'), [
    [2, 'xay'],
    [6, 'xby'],
    [10, 'xcy'],
  ]);
  t.strictSame(textByStep('[[a|b]:c:3]', 5), ['a', 'b', 'a', 'c', 'c']);
  t.strictSame(textByStep('[a|[b:c:2]]', 4), ['a', 'b', 'a', 'c']);
  t.strictSame(texts('((x [a:b:5]):1.2) [z]'), [
    [5, '((x a):1.2) [z]'],
    [10, '((x b):1.2) [z]'],
  ]);
  t.strictSame(texts('[(a:1.5):[[b]]:5]'), [
    [5, '(a:1.5)'],
    [10, '[[b]]'],
  ]);
  t.strictSame(textByStep('[a|(b|c)]', 2), ['a', '(b|c)'], 'a bar within round brackets is text');
});

t.test('what is no form is text', async (t) => {
  for (const prompt of [
    ...[
      '',
      'a',
      '(a:1.2)',
      '[a]',
      '[a:b]',
      '[a:b:c]',
      '[a:b:c:3]',
      '[a|b:3]',
      '[a:b:3x]',
      '[a:b:1.2.3]',
      '[a::]',
      '(a:b:3)',
    ],
    ...[
      'a [open',
      'a] closed',
      '[a:b:3',
      'a:b:3]',
      '[(a:b:3]',
      '[a):b:3]',
      '([a:b)]:3',
      '[x:(y:z:3):4]',
      'a | b',
      '\\[a:b:3]',
    ],
    ...['[a\\:b\\:3]', '[a\\|b]', '[a:b:3\\]', '\\', '[a:\\', '][', ')('],
  ]) {
    t.strictSame(texts(prompt), [[10, prompt]]);
  }
  t.strictSame(texts('(( ] : [a:b:3'), [[10, '(( ] : [a:b:3']]);
  t.strictSame(
    texts('(( ] | : [a:b:3] ['),
    [
      [3, '(( ] | : a ['],
      [10, '(( ] | : b ['],
    ],
    'and does not disturb what is one',
  );
  t.strictSame(texts('[x:[a:b:3]]'), [
    [3, '[x:a]'],
    [10, '[x:b]'],
  ]);
});

t.test('any string parses, at any number of steps', async () => {
  fc.assert(
    fc.property(anyPrompt, fc.integer({ min: 1, max: 60 }), (prompt, steps) => {
      const schedule = parseSchedule(prompt, steps);
      const ends = schedule.map(({ untilStep }) => untilStep);
      return ends.at(-1) === steps && ends.every((end, i) => Number.isInteger(end) && end > (ends[i - 1] ?? 0));
    }),
    { numRuns: 1000 },
  );
});

t.test('without brackets, or with all of them escaped, a prompt is itself', async () => {
  fc.assert(
    fc.property(anyPrompt, (prompt) => {
      const bare = prompt.replace(/[()[\]]/g, '');
      const escaped = prompt.replace(/[()[\]\\]/g, '\\$&');
      return parseSchedule(bare, 9)[0].text === bare && parseSchedule(escaped, 9)[0].text === escaped;
    }),
  );
});

t.test('an edit is its two texts, before and after', async () => {
  const when = fc.oneof(
    fc.integer({ min: 0, max: 40 }).map(String),
    fc.double({ min: 0, max: 1, noNaN: true }).map((x) => x.toFixed(4)),
  );
  fc.assert(
    fc.property(plainText, plainText, when, fc.integer({ min: 1, max: 30 }), (from, to, when, steps) => {
      const change = Math.floor(when.includes('.') ? Number(when) * steps : Number(when));
      return textByStep(`x [${from}:${to}:${when}]`, steps).every((text, i) => text === `x ${i < change ? from : to}`);
    }),
  );
});

t.test('alternation takes each text in turn', async () => {
  fc.assert(
    fc.property(
      fc.array(plainText, { minLength: 2, maxLength: 5 }),
      fc.integer({ min: 1, max: 30 }),
      (options, steps) =>
        textByStep(`[${options.join('|')}] x`, steps).every((text, i) => text === `${options[i % options.length]} x`),
    ),
  );
});

t.test('no depth is too deep', async (t) => {
  const depth = 50000;
  for (const [prompt, expected] of [
    ['['.repeat(depth), undefined],
    [']'.repeat(depth), undefined],
    ['('.repeat(depth) + ')'.repeat(depth), undefined],
    [`${'('.repeat(depth)}[a:b:3]${')'.repeat(depth)}`, `${'('.repeat(depth)}a${')'.repeat(depth)}`],
    [`${'['.repeat(depth)}a${':b:3]'.repeat(depth)}`, 'a'],
  ] as const) {
    const [{ text }] = parseSchedule(prompt, 10);
    t.ok(text === (expected ?? prompt), `${prompt.length} characters`);
  }
});

t.test('the step that holds', async (t) => {
  const schedule = parseSchedule('[a:b:3]', 10);
  t.strictSame(
    [1, 3, 4, 10, 11].map((step) => scheduleIndexAt(schedule, step)),
    [0, 0, 1, 1, 1],
  );
});

t.test('steps are checked', async (t) => {
  for (const steps of [0, -1, 1.5, Number.NaN, '3' as unknown as number]) {
    t.throws(
      () => parseSchedule('a', steps),
      new DiffusionError('INVALID_ARGUMENT', `steps: expected an integer of at least 1, got ${steps}`),
    );
  }
});
