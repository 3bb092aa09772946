/** LoRAs in whole requests: given, named in prompts, in company of others; and words that stand for vectors. */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import t from 'tap';
import { Lora, Pipeline, TextualInversion, type Txt2ImgRequest } from '../../lib/index';
import { WordStore } from '../../lib/pipeline/word-store';
import { promptWindows } from '../../lib/prompt/chunks';
import { writeAltered } from '../model/altered-file';
import { relativeError, sameBytes } from '../support/compare';
import { adapterPath, networkPath, readFixture } from '../support/safetensors';

const file = networkPath('avatar.safetensors');
const folder = mkdtempSync(path.join(tmpdir(), 'node-diffusion-'));
t.teardown(() => rmSync(folder, { recursive: true }));
const loraFolder = path.join(folder, 'loras');
const embeddingsFolder = path.join(folder, 'embeddings');
mkdirSync(path.join(loraFolder, 'more'), { recursive: true });
mkdirSync(embeddingsFolder);
copyFileSync(adapterPath('plain.safetensors'), path.join(loraFolder, 'film.safetensors'));
copyFileSync(adapterPath('hadamard.safetensors'), path.join(loraFolder, 'more', 'ink-1.5.safetensors'));
copyFileSync(adapterPath('wisp.safetensors'), path.join(embeddingsFolder, 'Wisp.safetensors'));
copyFileSync(adapterPath('wisp.safetensors'), path.join(folder, 'outside.safetensors'));

const request = { prompt: 'a sad man', width: 16, height: 16, steps: 3, seed: 7, cfgScale: 4 } as const;

t.test('given to the request, to the pipeline or named in the prompt: one picture', async (t) => {
  const film = await Lora.load(adapterPath('plain.safetensors'));
  const ink = await Lora.load(adapterPath('hadamard.safetensors'));
  const adapters = [
    { lora: film, weight: 0.8, textEncoderWeight: 0.5 },
    { lora: ink, weight: -0.3 },
  ];
  const tags = '<lora:film:0.5:0.8><lyco:ink-1.5:-0.3>';
  await using pipeline = await Pipeline.load(file, { threads: 1, loraFolder });
  await using changed = await Pipeline.load(file, { threads: 1, adapters });
  const draw = async (of: Pipeline, more: Partial<Txt2ImgRequest> = {}) =>
    (await of.txt2img({ ...request, ...more })).images[0];
  const plain = (await draw(pipeline)).data;
  const given = (await draw(pipeline, { adapters })).data;
  t.notOk(sameBytes(plain, given));
  const named = await draw(pipeline, { prompt: `${request.prompt}${tags}` });
  t.ok(sameBytes(named.data, given), 'named');
  t.match(named.parameters, `${request.prompt}${tags}\n`, 'the prompt is written as it was');
  t.ok(sameBytes((await draw(changed)).data, given), "the pipeline's");
  t.ok(sameBytes((await draw(changed, { adapters: [] })).data, plain), "a request's own are in their place");
  t.ok(sameBytes((await draw(pipeline)).data, plain), 'none, afterwards');
  const half = [{ lora: film, weight: 0.4, textEncoderWeight: 0.25 }];
  t.ok(sameBytes((await draw(pipeline, { adapters: [...half, ...half, adapters[1]] })).data, given), 'weights add up');
  const ofText = (await draw(pipeline, { adapters: [{ lora: film, weight: 0, textEncoderWeight: 1 }] })).data;
  const ofUnet = (await draw(pipeline, { adapters: [{ lora: film, weight: 1, textEncoderWeight: 0 }] })).data;
  t.notOk(sameBytes(ofText, plain) || sameBytes(ofUnet, plain) || sameBytes(ofText, ofUnet));
  t.match(await pipeline.reportOf(film), { matched: film.info.tensors, total: film.info.tensors });
});

t.test('requests at once have the bytes that they have alone, whatever their LoRAs', async (t) => {
  await using pipeline = await Pipeline.load(file, { threads: 1, loraFolder });
  const prompts = ['a sad man', 'a sad man<lora:film>', 'a hat <lora:ink-1.5:0.7>'];
  const draw = async (prompt: string | string[]) => (await pipeline.txt2img({ ...request, prompt })).images;
  const alone: Uint8Array[] = [];
  for (const prompt of prompts) alone.push((await draw(prompt))[0].data);
  const together = await Promise.all(prompts.map(draw));
  together.forEach(([image], i) => {
    t.ok(sameBytes(image.data, alone[i]), prompts[i]);
  });
  const images = await draw(prompts);
  t.equal(images.length, prompts.length);
  t.ok(sameBytes(images[0].data, alone[0]), 'prompts of one request have LoRAs of their own');
  t.notOk(sameBytes(images[1].data, (await draw(['a sad man', 'a sad man']))[1].data));
});

t.test('a prompt may change its LoRAs on the way, and a run with them goes on', async (t) => {
  await using pipeline = await Pipeline.load(file, { threads: 1, loraFolder });
  const lora = await Lora.load(adapterPath('plain.safetensors'));
  const expected = await pipeline.txt2img({ ...request, adapters: [{ lora }] });
  const run = pipeline.steps({ ...request, adapters: [{ lora }] });
  await run.next();
  const saved = run.save();
  await run.return();
  t.throws(() => pipeline.resume(saved), {
    code: 'INVALID_REQUEST',
    message: /^adapters: expected the LoRAs that the run had/,
  });
  let last: Uint8Array | undefined;
  for await (const step of pipeline.resume(saved, { adapters: [{ lora }] })) last = (await step.decode())[0].data;
  t.ok(last && sameBytes(last, expected.images[0].data));
  const steered = await pipeline.txt2img({
    ...request,
    onStep: ({ step }) => (step === 2 ? { prompt: 'a sad man<lora:film>' } : undefined),
  });
  const plain = await pipeline.txt2img(request);
  t.notOk(sameBytes(steered.images[0].data, plain.images[0].data));
});

t.test('what is refused', async (t) => {
  await using pipeline = await Pipeline.load(file, { threads: 1, loraFolder });
  await using none = await Pipeline.load(file, { threads: 1 });
  await using absent = await Pipeline.load(file, { threads: 1, loraFolder: path.join(folder, 'absent') });
  const draw = (of: Pipeline, more: object) => of.txt2img({ ...request, ...more });
  const lora = await Lora.load(adapterPath('plain.safetensors'));
  const refused: [() => Promise<unknown>, RegExp][] = [
    [() => draw(pipeline, { prompt: '<lora:flim>' }), /^prompt: <lora:flim>: there is no 'flim' in .*; near it: film$/],
    [() => draw(pipeline, { prompt: '<lora:../outside>' }), /there is no '\.\.\/outside' in /],
    [() => draw(pipeline, { prompt: '<lora:/etc/passwd>' }), /there is no '\/etc\/passwd' in /],
    [() => draw(pipeline, { negativePrompt: '<lora:film>' }), /^negativePrompt: .*name it in the prompt$/],
    [
      () => draw(none, { prompt: 'a <lora:film>' }),
      /^prompt: expected text without <lora:film>: the pipeline has no loraFolder$/,
    ],
    [() => draw(none, { adapters: lora }), /^adapters: expected a list of \{ lora, weight \}/],
    [() => draw(none, { adapters: [lora] }), /^native: there is no such option/],
    [
      () => draw(none, { adapters: [{ lora: 'film' }] }),
      /^adapters\[0\].lora: expected the result of Lora.load, got 'film'$/,
    ],
    [() => draw(none, { adapters: [{ lora, weight: Number.NaN }] }), /^adapters\[0\].weight: expected a number/],
    [() => Pipeline.load(file, { threads: 1, adapters: [{ weight: 1 } as never] }), /^adapters\[0\].lora/],
    [() => Pipeline.load(file, { threads: 1, loraFolder: 5 as never }), /^loraFolder: expected a path, got 5$/],
    [() => Pipeline.load(file, { threads: 1, embeddings: ['wisp' as never] }), /^embeddings\[0\]: expected the result/],
  ];
  for (const [call, message] of refused) await t.rejects(call, { code: 'INVALID_REQUEST', message });
  await t.rejects(draw(absent, { prompt: '<lora:film>' }), { code: 'FILE_NOT_FOUND' });
  t.ok((await draw(absent, {})).images.length > 0, 'a folder is read when a prompt asks for it');
});

t.test("words of vectors, against diffusers' pipeline", async (t) => {
  const reference = readFixture(adapterPath('adapters.ref.safetensors'));
  const embedding = await TextualInversion.load(adapterPath('wisp.safetensors'));
  t.match(embedding, { word: 'wisp', vectors: [{ count: 3, width: 32 }] });
  await using pipeline = await Pipeline.load(file, { threads: 1, precision: 'f32', embeddings: [embedding] });
  const words = new WordStore(pipeline.info, [{ number: 1 }], { embeddings: [embedding] });
  const windows = promptWindows(reference.facts.prompt, pipeline.tokenizer, words.words);
  const { ids, vectors } = words.resolve(windows.ids, 1);
  const embeddings = await pipeline.model.encodeText(ids, 1, 0, undefined, { vectors });
  const error = relativeError(embeddings, reference.f32('word.embeddings').data);
  t.ok(error <= reference.facts.tolerance, `relative L2 error ${error}`);

  await using fromFolder = await Pipeline.load(file, { threads: 1, precision: 'f32', embeddingsFolder });
  await using without = await Pipeline.load(file, { threads: 1, precision: 'f32' });
  const draw = async (of: Pipeline, prompt: string) => (await of.txt2img({ ...request, prompt })).images[0].data;
  const given = await draw(pipeline, 'a wisp, (wisp:1.3) hat');
  t.ok(sameBytes(await draw(fromFolder, 'a WISP, (wisp:1.3) hat'), given), 'from a folder, in any case');
  t.notOk(sameBytes(await draw(pipeline, 'a wisp, wisp hat'), given), 'emphasis weighs its vectors');
  t.notOk(sameBytes(await draw(without, 'a wisp, (wisp:1.3) hat'), given));
  const longer = 'a wispy man';
  t.ok(sameBytes(await draw(pipeline, longer), await draw(without, longer)), 'not within a longer word');
  const many = Array(30).fill('wisp').join(' ');
  t.equal(promptWindows(many, pipeline.tokenizer, words.words).count, 2, '90 vectors take two windows');
  t.ok((await draw(pipeline, many)).length > 0);

  await t.rejects(TextualInversion.load(adapterPath('plain.safetensors')), { code: 'UNKNOWN_ARCHITECTURE' });
  await t.rejects(TextualInversion.load(path.join(folder, 'absent.safetensors')), { code: 'FILE_NOT_FOUND' });
  await t.rejects(TextualInversion.load(adapterPath('wisp.safetensors'), ' '), { code: 'INVALID_ARGUMENT' });
});

t.test('words of a model with two text encoders', async (t) => {
  const shaped = (width: number, begin: number) => ({
    ...{ dtype: 'F32', shape: [2, width], data_offsets: [begin, begin + 8 * width] },
  });
  const file = writeAltered(adapterPath('wisp.safetensors'), path.join(folder, 'both.safetensors'), (header) => {
    delete header.emb_params;
    Object.assign(header, { clip_l: shaped(16, 0), clip_g: shaped(32, 128) });
  });
  const embedding = await TextualInversion.load(file);
  const encoder = { layers: 1, heads: 1, contextLength: 77 };
  const info = {
    textEncoder: { ...encoder, width: 16, vocabularySize: 100 },
    textEncoder2: { ...encoder, width: 32, vocabularySize: 90 },
  };
  const both = new WordStore(info, [{ number: 1 }, { number: 2 }], { embeddings: [embedding] });
  t.strictSame(both.words.split('a both'), ['a ', [100, 101]]);
  const ids = Int32Array.of(1, 101, 100, 101);
  const [first, second] = [both.resolve(ids, 1), both.resolve(ids, 2)];
  t.strictSame([...first.ids], [1, 100, 101, 100]);
  t.strictSame([...second.ids], [1, 90, 91, 90], 'behind the vocabulary of each');
  t.strictSame([...first.vectors!.subarray(0, 16)], [...embedding.vectors[0].values.subarray(16)]);
  t.strictSame([...second.vectors!.subarray(32)], [...embedding.vectors[1].values.subarray(0, 32)]);
  const refiner = new WordStore(info, [{ number: 2 }], { embeddings: [embedding] });
  t.strictSame([...refiner.resolve(Int32Array.of(90), 2).vectors!], [...embedding.vectors[1].values.subarray(0, 32)]);
  t.strictSame(both.resolve(Int32Array.of(1, 2), 1), { ids: Int32Array.of(1, 2) });
  t.throws(() => new WordStore(info, [{ number: 1 }, { number: 1 }], { embeddings: [embedding] }), {
    code: 'INVALID_REQUEST',
    message: /^embedding 'both': expected vectors of 16 and 16, .* got 16 and 32$/,
  });
});
