import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import t from 'tap';
import { commaBacktrack, layOutWindows, padWindows, promptWindows } from '../../lib/prompt/chunks';
import { ClipTokenizer } from '../../lib/prompt/clip-tokenizer';
import { loadClipVocabulary } from '../../lib/prompt/vocabulary';
import { anyPrompt } from './arbitrary-prompt';

const tokenizer = new ClipTokenizer(loadClipVocabulary());
const [start, end, comma, cat] = [49406, 49407, 267, 2368];

interface Fixture {
  seed: number;
  versions: Record<string, string>;
  windows: [text: string, windows: number[][]][];
}

t.test('windows of every prompt of the fixture', async (t) => {
  const packed = readFileSync(join(__dirname, '../fixtures/prompt/prompt.json.gz'));
  const { windows: cases, seed, versions }: Fixture = JSON.parse(gunzipSync(packed).toString());
  t.comment(`seed ${seed}, ${Object.entries(versions).flat().join(' ')}`);
  t.equal(cases.length, 110);
  for (const [text, expected] of cases) {
    const { count, ids, weights } = promptWindows(text, tokenizer);
    t.equal(count, expected.length);
    t.strictSame([...ids], expected.flat(), text.slice(0, 60));
    t.ok(weights.length === ids.length && weights.every((weight) => weight === 1));
  }
});

t.test('weights stand beside their tokens', async (t) => {
  const { count, ids, weights } = promptWindows('(cat:1.5), [cat]', tokenizer);
  t.equal(count, 1);
  t.strictSame([...ids.slice(0, 6)], [start, cat, comma, cat, end, end]);
  t.strictSame([...weights.slice(0, 6)], [1, 1.5, 1, Math.fround(1 / 1.1), 1, 1]);
});

t.test('a weight of a second window, and the padding of SD 2', async (t) => {
  const sd2 = new ClipTokenizer(loadClipVocabulary(), { padToken: 0 });
  const { count, ids, weights } = promptWindows(`${'cat '.repeat(75)}(cat:2)`, sd2);
  t.equal(count, 2);
  t.strictSame([...ids.slice(76, 81)], [end, start, cat, end, 0]);
  t.strictSame([...weights.slice(76, 81)], [1, 1, 2, 1, 1]);
});

t.test('BREAK fills the window', async (t) => {
  const windows = (text: string) => {
    const { count, ids } = promptWindows(text, tokenizer);
    return Array.from({ length: count }, (_, i) => [...ids.slice(i * 77, i * 77 + 77)].filter((id) => id < start));
  };
  t.strictSame(windows('cat BREAK cat, cat'), [[cat], [cat, comma, cat]]);
  t.strictSame(windows('BREAK cat BREAK BREAK cat BREAK'), [[], [cat], [], [cat]]);
  t.strictSame(
    windows(`${'cat '.repeat(75)}BREAK cat`),
    [Array(75).fill(cat), [cat]],
    'a full window needs no filling',
  );
  t.strictSame(windows(''), [[]]);
});

t.test('a relocated token keeps its weight', async (t) => {
  const tokens = [7, 7, comma, 5, 6].map((id, i) => ({ id, weight: i }));
  const next = { id: 8, weight: 9 };
  t.strictSame(layOutWindows([[...tokens, next]], 5, comma), [tokens.slice(0, 3), [...tokens.slice(3), next]]);
  t.strictSame(layOutWindows([[...tokens, next]], 5, undefined), [tokens, [next]], 'no comma, no moving');
  const last = { id: comma, weight: 1 };
  t.strictSame(layOutWindows([[...tokens, last]], 5, comma), [tokens, [last]], 'a comma itself moves nothing');
});

t.test('windows hold every token in order, and are as full as they may be', async () => {
  const token = fc.record({ id: fc.constantFrom(1, 2, 3, 4, 5, 6, 7, 8, 9, comma), weight: fc.double() });
  const sections = fc.array(fc.array(token, { maxLength: 250 }), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(sections, fc.integer({ min: 1, max: 80 }), (sections, room) => {
      const windows = layOutWindows(sections, room, comma);
      const [held, given] = [windows.flat(), sections.flat()];
      const ends = new Set(sections.map((_, i) => sections.slice(0, i + 1).flat().length));
      let position = 0;
      return (
        held.length === given.length &&
        held.every((token, i) => token === given[i]) &&
        windows.every(({ length }) => {
          position += length;
          return length <= room && (length > room - commaBacktrack || ends.has(position));
        })
      );
    }),
  );
});

t.test('any string has windows', async () => {
  fc.assert(
    fc.property(anyPrompt, (prompt) => {
      const { count, ids, weights } = promptWindows(prompt, tokenizer);
      const starts = Array.from({ length: count }, (_, i) => ids[i * 77]);
      return (
        count >= 1 &&
        starts.every((id) => id === start) &&
        weights.length === count * 77 &&
        weights.every(Number.isFinite)
      );
    }),
    { numRuns: 200 },
  );
});

t.test('padding with windows of an empty text', async (t) => {
  const windows = promptWindows('(cat:1.5)', tokenizer);
  t.equal(padWindows(windows, 1, tokenizer), windows);
  const padded = padWindows(windows, 3, tokenizer);
  const { ids } = promptWindows('', tokenizer);
  t.strictSame([...padded.ids], [...windows.ids, ...ids, ...ids]);
  t.strictSame([...padded.weights], [...windows.weights, ...Array(154).fill(1)]);
  t.equal(padded.count, 3);
});
