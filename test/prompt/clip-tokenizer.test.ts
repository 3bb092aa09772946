import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import t from 'tap';
import { ClipTokenizer } from '../../lib/prompt/clip-tokenizer';
import { loadClipVocabulary, vocabularyFromMerges } from '../../lib/prompt/vocabulary';

const tokenizer = new ClipTokenizer(loadClipVocabulary());

interface Fixture {
  seed: number;
  versions: Record<string, string>;
  cases: [text: string, ids: number[]][];
}

const shown = (text: string) => JSON.stringify(text.length > 120 ? `${text.slice(0, 120)}...` : text);

t.test('every string of the fixture has the ids that transformers gives it', async (t) => {
  const packed = readFileSync(join(__dirname, '../fixtures/tokenizer/clip-tokenizer.json.gz'));
  const { cases, seed, versions }: Fixture = JSON.parse(gunzipSync(packed).toString());
  t.comment(`seed ${seed}, ${Object.entries(versions).flat().join(' ')}`);
  t.equal(cases.length, 5000);
  const different = cases.flatMap(([text, expected], index) => {
    const actual = tokenizer.encode(text);
    const at = expected.findIndex((id, position) => id !== actual[position]);
    if (at < 0 && actual.length === expected.length) return [];
    return [`string ${index} ${shown(text)}: token ${at < 0 ? expected.length : at} of ${expected.length} differs`];
  });
  t.strictSame(different, []);
});

t.test('known prompts', async (t) => {
  t.strictSame(tokenizer.encode('a photo of a cat'), [320, 1125, 539, 320, 2368]);
  t.strictSame(tokenizer.encode(''), []);
  t.strictSame(tokenizer.encode(' \t\n\u0085\u3000'), []);
  t.equal(loadClipVocabulary().tokens.length, 49408);
  t.equal(loadClipVocabulary(), loadClipVocabulary(), 'read once');
});

t.test('a special token is special only as it is written', async (t) => {
  t.strictSame(tokenizer.encode('a<|endoftext|>a'), [320, 49407, 320]);
  t.notOk(tokenizer.encode('a<|ENDOFTEXT|>a').includes(49407));
});

t.test('an unpaired surrogate is read as U+FFFD', async (t) => {
  for (const [text, well] of [
    ['\ud83d', '\ufffd'],
    ['\ude00\ud83d', '\ufffd\ufffd'],
    ['cat \ud83d cat', 'cat \ufffd cat'],
    ['a\udfffb', 'a\ufffdb'],
  ]) {
    t.strictSame(tokenizer.encode(text), tokenizer.encode(well));
  }
});

t.test('lower-case words come back as they were', async (t) => {
  const words = 'a red fox , oil on canvas ( detailed ) ! masterpiece 8 k <- " quoted " ~ end'.split(' ');
  for (let start = 0; start < words.length; start++) {
    const text = words.slice(start).join(' ');
    t.equal(tokenizer.decode(tokenizer.encode(text)), text);
  }
  for (let first = 0x21; first < 0x7f; first++) {
    for (let second = 0x21; second < 0x7f; second++) {
      const ids = tokenizer.encode(String.fromCharCode(first, second));
      const again = tokenizer.encode(tokenizer.decode(ids));
      if (again.join() !== ids.join()) t.fail(`${first} ${second}: ${ids} became ${again}`);
    }
  }
});

t.test('decode leaves out start and end, and keeps what is not UTF-8 visible', async (t) => {
  t.equal(tokenizer.decode(tokenizer.encodePrompt('Überall 猫 😀').ids), 'überall 猫 😀');
  t.equal(tokenizer.decode([]), '');
  t.equal(tokenizer.decode([loadClipVocabulary().tokens.indexOf('Ł')]), '\ufffd');
  for (const id of [-1, 49408, 1.5, Number.NaN]) t.throws(() => tokenizer.decode([id]), { code: 'INVALID_ARGUMENT' });
});

t.test('a window is start, tokens, end, padding', async (t) => {
  const { ids, truncated } = tokenizer.encodePrompt('a photo of a cat');
  t.type(ids, Int32Array);
  t.strictSame([...ids], [49406, 320, 1125, 539, 320, 2368, ...Array(71).fill(49407)]);
  t.equal(truncated, 0);

  const openClip = new ClipTokenizer(loadClipVocabulary(), { padToken: 0 });
  t.strictSame([...openClip.encodePrompt('cat').ids], [49406, 2368, 49407, ...Array(74).fill(0)]);
  t.strictSame([...openClip.window([])], [49406, 49407, ...Array(75).fill(0)]);
});

t.test('what does not fit is left out and counted', async (t) => {
  const full = tokenizer.encodePrompt('cat '.repeat(75));
  t.equal(full.truncated, 0);
  t.strictSame([...full.ids], [49406, ...Array(75).fill(2368), 49407]);
  const over = tokenizer.encodePrompt('cat '.repeat(75) + 'a photo');
  t.equal(over.truncated, 2);
  t.strictSame(over.ids, full.ids);
  t.throws(() => tokenizer.window(Array(76).fill(320)), {
    code: 'INVALID_ARGUMENT',
    message: /at most 75 tokens, got 76/,
  });
});

t.test('a model may bring its own merges and context length', async (t) => {
  const vocabulary = vocabularyFromMerges('c a\nca t</w>\n');
  const small = new ClipTokenizer(vocabulary, { contextLength: 5, padToken: 0 });
  t.equal(small.startToken, 514);
  t.strictSame([...small.encodePrompt('Cat').ids], [514, 513, 515, 0, 0]);
  t.equal(small.encodePrompt('cat cat cat cat').truncated, 1);
});

t.test('wrong arguments are refused by name', async (t) => {
  t.throws(() => tokenizer.encode(7 as unknown as string), {
    name: 'DiffusionError',
    code: 'INVALID_ARGUMENT',
    message: 'text: expected a string, got 7',
  });
  for (const padToken of [-1, 49408, 0.5]) {
    t.throws(() => new ClipTokenizer(loadClipVocabulary(), { padToken }), {
      code: 'INVALID_ARGUMENT',
      message: /padToken/,
    });
  }
  for (const contextLength of [1, 0, 2.5]) {
    t.throws(() => new ClipTokenizer(loadClipVocabulary(), { contextLength }), { code: 'INVALID_ARGUMENT' });
  }
});
