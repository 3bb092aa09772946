/** Loading, and what bad files, options and arguments come to. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import t from 'tap';
import { inspectModel } from '../../lib/model/inspect';
import { Model, type ModelOptions, type PredictOptions } from '../../lib/model/model';
import { networkPath } from '../support/safetensors';
import { type Header, writeAltered } from './altered-file';

const avatar = networkPath('avatar.safetensors');
const folder = mkdtempSync(path.join(tmpdir(), 'node-diffusion-'));
t.teardown(() => rmSync(folder, { recursive: true }));

const altered = (name: string, change: (header: Header) => void) =>
  writeAltered(avatar, path.join(folder, name), change);

t.test('progress runs from 0 to 1', async (t) => {
  const heard: number[] = [];
  const model = await Model.load(avatar, { threads: 1, onProgress: (fraction) => void heard.push(fraction) });
  await model.dispose();
  t.ok(heard.length > 0);
  t.equal(heard.at(-1), 1);
  t.strictSame(
    heard,
    [...heard].sort((a, b) => a - b),
    'rising',
  );
});

t.test('what onProgress throws comes out of load', async (t) => {
  const onProgress = () => {
    throw new Error('mine');
  };
  await t.rejects(Model.load(avatar, { threads: 1, onProgress }), { message: 'mine' });
});

t.test('inspect tells what load would', async (t) => {
  const info = await inspectModel(avatar);
  t.match(info, {
    ...{ family: 'custom', format: 'safetensors', components: { unet: true, vae: true, textEncoder: true } },
    ...{ prediction: { type: 'v_prediction', trainSteps: 1000 }, vae: { latentChannels: 4, downscale: 4 } },
  });
  const model = await Model.load(avatar, { threads: 1, precision: 'f16' });
  t.match(model.info, { ...info, weightBytes: Number, parameters: Number });
  t.equal(model.info.precision, 'f16');
  await model.dispose();
});

t.test('files that cannot be used are refused with a code and a sentence', async (t) => {
  const whole = readFileSync(avatar);
  const write = (name: string, bytes: Uint8Array | string) => {
    writeFileSync(path.join(folder, name), bytes);
    return path.join(folder, name);
  };
  const norm = 'model.diffusion_model.out.0.weight';
  const cases: [file: string, code: string, message: RegExp][] = [
    [path.join(folder, 'absent.safetensors'), 'FILE_NOT_FOUND', /absent\.safetensors/],
    [write('truncated.safetensors', whole.subarray(0, whole.length - 1000)), 'FILE_INVALID', /bytes/],
    [write('header.safetensors', whole.subarray(0, 100)), 'FILE_INVALID', /header\.safetensors/],
    [write('empty.safetensors', ''), 'FILE_INVALID', /empty/],
    [write('notes.txt', 'hello, this is no model at all'), 'FILE_INVALID', /notes\.txt/],
    [altered('missing.safetensors', (header) => delete header[norm]), 'MISSING_TENSOR', /conv_norm_out\.weight/],
    [
      altered('shape.safetensors', (header) => (header[norm].shape = [2, header[norm].shape[0] / 2])),
      'TENSOR_SHAPE',
      /expected \[\d+\].*\[2, \d+\]/,
    ],
    [altered('type.safetensors', (header) => (header[norm].dtype = 'I16')), 'UNSUPPORTED_TYPE', /I16/],
    [
      altered('other.safetensors', (header) => {
        for (const name of Object.keys(header)) {
          if (name === '__metadata__') continue;
          header[`other.${name}`] = header[name];
          delete header[name];
        }
      }),
      'UNKNOWN_ARCHITECTURE',
      /other\./,
    ],
  ];
  for (const [file, code, message] of cases) {
    await t.rejects(Model.load(file, { threads: 1 }), { name: 'DiffusionError', code, message }, path.basename(file));
  }
});

t.test('options are checked', async (t) => {
  const bad: [ModelOptions, RegExp][] = [
    [{ threads: 0 }, /^threads: expected an integer in 1..512, got 0$/],
    [{ threads: Number.NaN }, /^threads: /],
    [{ memoryBudgetBytes: -1 }, /^memoryBudgetBytes: /],
    [{ device: 'tpu' as 'cpu' }, /^device: expected one of auto, cpu, cuda, metal, vulkan, got "tpu"$/],
    [{ precision: 'q3' }, /q8_0.*got 'q3'/],
    [{ precision: 8 as unknown as string }, /^precision: expected a string, got 8$/],
    [{ onProgress: 1 as unknown as () => void }, /^onProgress: /],
  ];
  for (const [options, message] of bad)
    await t.rejects(Model.load(avatar, options), { code: 'INVALID_ARGUMENT', message });
  await t.rejects(Model.load('', {}), { code: 'INVALID_ARGUMENT', message: /^path: / });
  await t.rejects(Model.load(avatar, { signal: AbortSignal.abort() }), { code: 'ABORTED' });
});

t.test('native calls refuse what does not fit, and live on', async (t) => {
  const model = await Model.load(avatar, { threads: 1 });
  t.teardown(() => model.dispose());
  const width = model.info.textEncoder?.width ?? 0;
  const context = await model.createContext(new Float32Array(77 * width), 1);
  const latents = new Float32Array(4 * 8 * 8);
  const predict = (options: unknown) =>
    model.predictNoise(latents, [1, 4, 8, 8], 1, context, undefined, options as PredictOptions);
  const wrong: [string, () => Promise<unknown>][] = [
    ['ids out of range', () => model.encodeText(new Int32Array(77).fill(1e6), 1)],
    ['negative ids', () => model.encodeText(new Int32Array(77).fill(-1), 1)],
    ['too few ids', () => model.encodeText(new Int32Array(76), 1)],
    ['no rows', () => model.encodeText(new Int32Array(0), 0)],
    ['a layer too many to skip', () => model.encodeText(new Int32Array(77), 1, 4)],
    ['floats for ids', () => model.encodeText(new Float32Array(77) as unknown as Int32Array, 1)],
    ['embeddings of another width', () => model.createContext(new Float32Array(77 * width + 1), 1)],
    ['latents of another size', () => model.predictNoise(latents, [1, 4, 8, 9], 1, context)],
    ['latents of another depth', () => model.predictNoise(latents, [2, 2, 8, 8], 1, context)],
    ['a shape of three', () => model.predictNoise(latents, [4, 8, 8] as never, 1, context)],
    ['a huge shape', () => model.predictNoise(latents, [1, 4, 2 ** 31, 2 ** 31], 1, context)],
    ['NaN as timestep', () => model.predictNoise(latents, [1, 4, 8, 8], Number.NaN, context)],
    ['something else as context', () => model.predictNoise(latents, [1, 4, 8, 8], 1, {} as never)],
    ['a block without attention', () => predict({ perturbed: { kind: 'skip', blocks: ['down.9'] } })],
    ['another perturbation', () => predict({ perturbed: { kind: 'blur', blocks: ['mid'] } })],
    ['a block for a list', () => predict({ perturbed: { kind: 'skip', blocks: 'mid' } })],
    ['numbers for blocks', () => predict({ perturbed: { kind: 'skip', blocks: [1] } })],
    ['too many blocks', () => predict({ perturbed: { kind: 'skip', blocks: Array(65).fill('mid') } })],
    ['a perturbation of null', () => predict({ perturbed: null })],
    ['options of a number', () => predict(5)],
    ['pixels not divisible by 4', () => model.encodeImage(new Float32Array(3 * 9 * 8), [1, 3, 9, 8])],
    ['latents for pixels', () => model.encodeImage(latents, [1, 4, 8, 8])],
  ];
  for (const [name, call] of wrong) await t.rejects(call, { code: 'INVALID_ARGUMENT' }, name);
  context.dispose();
  await t.rejects(
    model.predictNoise(latents, [1, 4, 8, 8], 1, context),
    { code: 'INVALID_ARGUMENT' },
    'a disposed context',
  );
  const fresh = await model.createContext(new Float32Array(77 * width), 1);
  t.equal((await model.predictNoise(latents, [1, 4, 8, 8], 1, fresh)).length, latents.length);
});
