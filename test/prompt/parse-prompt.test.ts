import fc from 'fast-check';
import t from 'tap';
import { promptWindows } from '../../lib/prompt/chunks';
import { ClipTokenizer } from '../../lib/prompt/clip-tokenizer';
import { parseNegativePrompt, parsePrompt } from '../../lib/prompt/parse-prompt';
import { loadClipVocabulary } from '../../lib/prompt/vocabulary';
import { anyPrompt } from './arbitrary-prompt';

const tokenizer = new ClipTokenizer(loadClipVocabulary());

t.test('everything at once', async (t) => {
  const { parts, extraNetworks } = parsePrompt('a [cat:(dog:1.2):0.5]<lora:paint:0.8> BREAK night AND rain :0.5', 20);
  t.strictSame(parts, [
    {
      weight: 1,
      schedule: [
        { untilStep: 10, text: 'a cat BREAK night' },
        { untilStep: 20, text: 'a (dog:1.2) BREAK night' },
      ],
    },
    { weight: 0.5, schedule: [{ untilStep: 20, text: ' rain' }] },
  ]);
  t.strictSame(
    extraNetworks.map(({ name, unetWeight }) => [name, unetWeight]),
    [['paint', 0.8]],
  );
  t.equal(promptWindows(parts[0].schedule[1].text, tokenizer).count, 2);
});

t.test('a plain prompt is one text', async (t) => {
  const plain = (text: string) => ({ parts: [{ weight: 1, schedule: [{ untilStep: 4, text }] }], extraNetworks: [] });
  t.strictSame(parsePrompt('a red fox', 4), plain('a red fox'));
  t.strictSame(parsePrompt('', 4), plain(''));
});

t.test('a negative prompt knows no AND', async (t) => {
  const { parts, extraNetworks } = parseNegativePrompt('[ugly::2] AND <lora:bad:1>blurry :1.2', 4);
  t.strictSame(parts, [
    {
      weight: 1,
      schedule: [
        { untilStep: 2, text: 'ugly AND blurry :1.2' },
        { untilStep: 4, text: ' AND blurry :1.2' },
      ],
    },
  ]);
  t.equal(extraNetworks.length, 1);
});

t.test('any string parses, down to its tokens', async () => {
  fc.assert(
    fc.property(anyPrompt, fc.integer({ min: 1, max: 8 }), (prompt, steps) => {
      for (const { parts } of [parsePrompt(prompt, steps), parseNegativePrompt(prompt, steps)]) {
        for (const { weight, schedule } of parts) {
          const windows = schedule.map(({ text }) => promptWindows(text, tokenizer));
          if (!Number.isFinite(weight) || windows.some(({ weights }) => !weights.every(Number.isFinite))) return false;
        }
      }
      return true;
    }),
    { numRuns: 200 },
  );
});

t.test('arguments are checked', async (t) => {
  const code = 'INVALID_ARGUMENT';
  t.throws(() => parsePrompt(7 as unknown as string, 4), { code, message: 'prompt: expected a string, got number' });
  t.throws(() => parseNegativePrompt(undefined as unknown as string, 4), { code, message: /^negativePrompt: / });
  t.throws(() => parsePrompt('a', 0), { code, message: /^steps: / });
});
