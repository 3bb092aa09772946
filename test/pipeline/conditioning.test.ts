/** Which texts a step's contexts are made of, how often they are encoded, and that their memory is given back. */
import t from 'tap';
import type { Model } from '../../lib/model/model';
import { Conditioning, type Pass, type TextStudio } from '../../lib/pipeline/conditioning';
import { JointPasses } from '../../lib/pipeline/joint-passes';
import { ClipTokenizer } from '../../lib/prompt/clip-tokenizer';
import { EmbeddingCache } from '../../lib/prompt/embedding-cache';
import { loadClipVocabulary } from '../../lib/prompt/vocabulary';
import { noAdapters } from '../support/studio';

const tokenizer = new ClipTokenizer(loadClipVocabulary());
const all = () => true;
const pixels = { width: 8, height: 8 };

/** A model whose embeddings are the token ids, so that a context tells what it was made of. */
function fakeStudio() {
  const encoded: string[] = [];
  const alive = new Set<string>();
  const model = {
    info: {},
    encodeTextWith: async (_encoder: 1, ids: Int32Array, rows: number, skipLayers: number) => {
      encoded.push(`${tokenizer.decode(ids)}/${rows}/${skipLayers}`);
      return { embeddings: Float32Array.from(ids), pooled: null };
    },
    createContext: async (embeddings: Float32Array, rows: number) => {
      const size = embeddings.length / rows;
      const texts = Array.from({ length: rows }, (_, i) => {
        const ids = [...embeddings.subarray(i * size, (i + 1) * size)].map(Math.round);
        return tokenizer.decode(ids.filter((id) => id !== tokenizer.endToken));
      });
      const name = `${texts.join(' | ')} (${size / 77})`;
      alive.add(name);
      return { rows, name, dispose: () => alive.delete(name) };
    },
  } as unknown as Model;
  const passes = new JointPasses(model);
  const encoders = [{ number: 1 as const, tokenizer }];
  const studio: TextStudio = { model, encoders, embeddings: new EmbeddingCache(), passes, ...noAdapters(model) };
  return { studio, encoded, alive };
}

const names = (passes: Pass[]) => passes.map(({ context }) => (context as unknown as { name: string }).name);

t.test('parts, then the negative prompt where it is wanted', async (t) => {
  const { studio, encoded, alive } = fakeStudio();
  const direction = { prompts: ['a cat AND a dog :0.5', 'a fox'], negativePrompts: ['bad', 'worse'] };
  const conditioning = new Conditioning(studio, direction, { steps: 4, clipSkip: 2, sizes: {}, pixels });
  t.strictSame(conditioning.weights(0), [1, 0.5]);
  const passes = await conditioning.passes(1, (prompt) => prompt === 0);
  t.strictSame(names(passes), ['a cat | a dog | bad | a fox (1)']);
  t.strictSame(passes[0].prompts, [
    { prompt: 0, weights: [1, 0.5], hasNegative: true },
    { prompt: 1, weights: [1], hasNegative: false },
  ]);
  t.strictSame(encoded, ['a cat/1/1', 'a dog/1/1', 'bad/1/1', 'a fox/1/1'], 'clip skip 2 leaves a layer out');
  t.equal(
    (await conditioning.passes(2, (prompt) => prompt === 0))[0].context,
    passes[0].context,
    'kept for the next step',
  );
  conditioning.dispose();
  t.equal(alive.size, 0);
});

t.test('texts of other lengths take passes of their own, padded alike', async (t) => {
  const { studio } = fakeStudio();
  const long = Array(80).fill('cat').join(' ');
  const direction = { prompts: ['a cat', long, 'a dog'], negativePrompts: ['', 'bad', long] };
  const conditioning = new Conditioning(studio, direction, { steps: 4, clipSkip: 1, sizes: {}, pixels });
  t.strictSame(names(await conditioning.passes(1, all)), ['a cat |  (1)', `${long} | bad | a dog | ${long} (2)`]);
  t.strictSame(names(await conditioning.passes(1, () => false)), ['a cat (1)', `${long} | a dog (2)`], 'wanted or not');
  conditioning.dispose();
});

t.test('contexts follow the schedule, and no more than eight are kept', async (t) => {
  const { studio, encoded, alive } = fakeStudio();
  const words = ['ant', 'bee', 'cat', 'dog', 'eel', 'fox', 'gnu', 'hen', 'owl', 'pig'];
  const direction = { prompts: [`[${words.join('|')}]`], negativePrompts: [''] };
  const conditioning = new Conditioning(studio, direction, { steps: 20, clipSkip: 1, sizes: {}, pixels });
  for (let step = 1; step <= 20; step++) {
    t.strictSame(names(await conditioning.passes(step, () => false)), [`${words[(step - 1) % 10]} (1)`]);
    t.ok(alive.size <= 8, `${alive.size} contexts`);
  }
  t.equal(encoded.length, 10, 'each text is encoded once');
  conditioning.dispose();
  t.equal(alive.size, 0);
});
