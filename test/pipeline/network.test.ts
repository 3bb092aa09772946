/** The UNet under prompts and guidance: what it is asked for, row by row, and that rows may have latents of their own. */
import t from 'tap';
import { Model } from '../../lib/model/model';
import type { TextStudio } from '../../lib/pipeline/conditioning';
import { type Direction, parseDirection } from '../../lib/pipeline/direction';
import type { AskedPass, JointPasses } from '../../lib/pipeline/joint-passes';
import { GuidedNetwork } from '../../lib/pipeline/network';
import { ClipTokenizer } from '../../lib/prompt/clip-tokenizer';
import { EmbeddingCache } from '../../lib/prompt/embedding-cache';
import { loadClipVocabulary } from '../../lib/prompt/vocabulary';
import { relativeError } from '../support/compare';
import { networkPath, readFixture } from '../support/safetensors';
import { noAdapters } from '../support/studio';

t.test('each conditioning may see latents of its own', async (t) => {
  const reference = readFixture(networkPath('avatar.ref.safetensors'));
  const model = await Model.load(networkPath('avatar.safetensors'), { threads: 1, precision: 'f32' });
  t.teardown(() => model.dispose());
  const { data, shape } = reference.f32('latents');
  const context = await model.createContext(reference.f32('embeddings').data, 2);
  const one = [1, shape[1], shape[2], shape[3]] as const;
  const rows = await model.predictNoise(data, one, reference.facts.timestep, context);
  const error = relativeError(rows, reference.f32('noise.paired').data);
  t.ok(error < reference.facts.tolerance, `${error}`);
  await t.rejects(model.predictNoise(data.subarray(1), one, 1, context), {
    code: 'INVALID_ARGUMENT',
    message: /^latents/,
  });
});

const tokenizer = new ClipTokenizer(loadClipVocabulary());
const values: Record<string, number> = { cat: 1, dog: 2, fox: 3, bad: 10 };

/** A model that predicts the value of a row's word, a quarter of it if perturbed, plus the picture's latents times 100. Latents are of one value. */
function fakeNetwork(options: Parameters<typeof parseDirection>[0], pictures = 1, extra?: Float32Array) {
  const asked: { rows: number[]; latents: number[]; shape: readonly number[] }[] = [];
  const perturbed: unknown[] = [];
  const model = {
    info: { unet: { takesGuidance: false } },
    encodeTextWith: async (_encoder: 1, ids: Int32Array) => ({
      embeddings: Float32Array.from(ids, (id) => values[tokenizer.decode([id]).trim()] ?? 0),
      pooled: null,
    }),
    createContext: async (embeddings: Float32Array, rows: number) => {
      const size = embeddings.length / rows;
      return { rows: Array.from({ length: rows }, (_, i) => embeddings[i * size + 1]), dispose() {} };
    },
  } as unknown as Model;
  const passes = {
    predict: async ({ context, latents, shape, options }: AskedPass) => {
      const rows = context.rows as unknown as number[];
      asked.push({ rows, latents: [...latents], shape });
      perturbed.push(options);
      const size = shape.reduce((a, b) => a * b);
      const own = latents.length === rows.length * size;
      return Float32Array.from(
        rows.flatMap((value, row) =>
          Array.from(
            { length: shape[0] },
            (_, i) => (options ? value / 4 : value) + 100 * latents[(own ? row * size : 0) + i * shape[1]],
          ),
        ),
      );
    },
    forget() {},
  } as unknown as JointPasses;
  const studio: TextStudio = {
    ...{ model, encoders: [{ number: 1, tokenizer }], ...noAdapters(model) },
    ...{ embeddings: new EmbeddingCache(), passes },
  };
  let direction: Direction = parseDirection(options);
  const latentShape = [pictures, 1, 1, 1] as const;
  const request = { latentShape, clipSkip: 1, sizes: {}, pixels: { width: 8, height: 8 }, steps: 4 };
  const network = new GuidedNetwork(studio, request, () => direction, extra);
  const predict = (x: number[], at: { step?: number; sigma?: number; both?: boolean } = {}) =>
    network.predict(Float32Array.from(x), 5, { step: 1, sigma: 1, both: false, ...at });
  return {
    asked,
    perturbed,
    predict,
    steer: (next: Parameters<typeof parseDirection>[0]) => (direction = parseDirection(next)),
  };
}

t.test('guidance takes a row for each part and one for the negative prompt', async (t) => {
  const { asked, predict } = fakeNetwork({ prompt: 'cat AND dog :2', negativePrompt: 'bad', cfgScale: 3 });
  const { guided, unconditional } = await predict([0]);
  t.strictSame(asked[0].rows, [1, 2, 10]);
  t.same(guided, [10 + 3 * (1 - 10 + 2 * (2 - 10))]);
  t.same(unconditional, [10]);
});

t.test('without guidance the negative prompt is not asked for, unless the sampler wants it', async (t) => {
  const { asked, predict, steer } = fakeNetwork({ prompt: 'cat', negativePrompt: 'bad', cfgScale: 1 });
  t.same((await predict([0])).guided, [1]);
  t.same((await predict([0], { both: true })).unconditional, [10]);
  steer({ prompt: 'cat', negativePrompt: 'bad', cfgScale: 3, guidanceInterval: [1, 2] });
  t.same((await predict([0], { sigma: 2 })).guided, [10 + 3 * (1 - 10)]);
  t.same((await predict([0], { sigma: 2.1 })).guided, [1], 'outside of the interval');
  steer({ prompt: 'cat :2', negativePrompt: 'bad', cfgScale: 1 });
  t.same((await predict([0])).guided, [10 + 2 * (1 - 10)], 'a weight is guidance');
  t.strictSame(
    asked.map(({ rows }) => rows.length),
    [1, 2, 2, 1, 2],
  );
});

t.test('perturbed rows have a pass of their own, without the negative prompt', async (t) => {
  const pag = { pagScale: 2, pagLayers: ['mid', 'up.0'] };
  const options = { prompt: 'cat AND dog :2', negativePrompt: 'bad', cfgScale: 3, ...pag };
  const { asked, perturbed, predict, steer } = fakeNetwork(options);
  const guided = 10 + 3 * (1 - 10 + 2 * (2 - 10));
  t.same((await predict([0])).guided, [guided + 2 * (0.75 + 2 * 1.5)]);
  t.strictSame(
    [asked[0].rows, asked[1].rows],
    [
      [1, 2, 10],
      [1, 2],
    ],
  );
  t.strictSame(perturbed, [undefined, { perturbed: { kind: 'identity', blocks: ['mid', 'up.0'] } }]);
  steer({ prompt: 'cat', cfgScale: 1, pagScale: 2, pagMethod: 'skip', guidanceInterval: [1, 2] });
  const { guided: alone, unconditional } = await predict([0]);
  t.same([alone[0], unconditional[0]], [1 + 2 * 0.75, 1], 'without other guidance');
  t.match(perturbed.at(-1), { perturbed: { kind: 'skip', blocks: ['mid'] } });
  t.same((await predict([0], { sigma: 3 })).guided, [1], 'outside of the interval');
  t.equal(perturbed.at(-1), undefined);
  const several = fakeNetwork({ prompt: ['cat', 'dog'], cfgScale: 1, pagScale: 2 }, 4);
  t.same((await several.predict([1, 2, 3, 4])).guided, [102.5, 202.5, 305, 405], 'each prompt with its own');
  t.equal(several.asked.length, 2);
});

t.test('several prompts share a pass, each with its own pictures', async (t) => {
  const prompts = { prompt: ['cat', 'dog AND fox'], negativePrompt: ['', 'bad'], cfgScale: 1 };
  const { asked, predict } = fakeNetwork(prompts, 4);
  const { guided } = await predict([1, 2, 3, 4]);
  t.strictSame(asked, [{ rows: [1, 2, 3, 10], latents: [1, 2, 3, 4, 3, 4, 3, 4], shape: [2, 1, 1, 1] }]);
  t.same(guided, [101, 201, 300 + 2 + 3 - 10, 400 + 2 + 3 - 10]);
});

t.test('prompts follow the step', async (t) => {
  const { predict } = fakeNetwork({ prompt: '[cat:dog:2]', cfgScale: 1 });
  const seen = [];
  for (const step of [1, 2, 3, 4]) seen.push(...(await predict([0], { step })).guided);
  t.strictSame(seen, [1, 1, 2, 2]);
});

t.test('an inpainting UNet sees its channels beside each picture', async (t) => {
  const { asked, predict } = fakeNetwork({ prompt: 'cat', cfgScale: 1 }, 2, Float32Array.of(7, 8));
  t.same((await predict([1, 2])).guided, [101, 201]);
  t.strictSame(asked[0], { rows: [1], latents: [1, 7, 8, 2, 7, 8], shape: [2, 3, 1, 1] });
});
