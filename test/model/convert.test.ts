/** Converted models, by the public functions; what is in them is checked natively. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { convertModel, inspectModel, Pipeline } from '../../lib/index';

const networks = path.resolve(__dirname, '..', 'fixtures', 'networks');
const avatar = path.join(networks, 'avatar.safetensors');

t.test('a converted model is whole: the same picture from it, with its own vocabulary', async (t) => {
  const folder = t.testdir();
  const output = path.join(folder, 'avatar.gguf');
  const heard: number[] = [];
  const result = await convertModel(avatar, output, { onProgress: (fraction) => heard.push(fraction) });
  t.equal(result.format, 'gguf');
  t.equal(result.bytes, readFileSync(output).length);
  t.strictSame(Object.keys(result.typeBytes), ['f16']);
  t.equal(heard.at(-1), 1);
  const { format: _f, weightBytes: _w, parameters: _p, ...original } = await inspectModel(avatar);
  const { format, weightBytes: _w2, parameters: _p2, ...converted } = await inspectModel(output);
  t.equal(format, 'gguf');
  t.strictSame(converted, original);
  const draw = async (model: string) => {
    await using pipeline = await Pipeline.load(model, { threads: 1 });
    const { images } = await pipeline.txt2img({ prompt: 'a', seed: 1, steps: 2, width: 32, height: 32 });
    return Buffer.from(images[0].data);
  };
  t.ok((await draw(output)).equals(await draw(avatar)));
});

t.test('quantised, with rules', async (t) => {
  const output = path.join(t.testdir(), 'small.gguf');
  const rules = [{ pattern: 'vae.*', type: 'auto' }];
  const { typeBytes } = await convertModel(avatar, output, { type: 'q8_0', rules, threads: 3 });
  t.ok(typeBytes.q8_0 > 0 && typeBytes.f16 > 0);
});

t.test('what fails leaves nothing behind', async (t) => {
  const folder = t.testdir({ 'out.gguf': 'precious' });
  const output = path.join(folder, 'out.gguf');
  const cancel = new AbortController();
  const aborted = convertModel(avatar, output, { signal: cancel.signal });
  cancel.abort();
  await t.rejects(aborted, { code: 'ABORTED' });
  await t.rejects(convertModel(avatar, output, { signal: AbortSignal.abort() }), { code: 'ABORTED' });
  await t.rejects(convertModel('nowhere', output), { code: 'FILE_NOT_FOUND' });
  await t.rejects(convertModel(avatar, path.join(folder, 'none', 'out.gguf')), { code: 'FILE_NOT_WRITABLE' });
  t.equal(readFileSync(output, 'utf8'), 'precious');
  const boom = new Error('boom');
  const onProgress = () => {
    throw boom;
  };
  await t.rejects(convertModel(avatar, output, { onProgress }), boom, 'be it heard before the end or after it');
  t.strictSame(readdirSync(folder), ['out.gguf']);
});

t.test('bad options', async (t) => {
  const output = path.join(t.testdir(), 'out.gguf');
  const bad: unknown[] = [
    { type: 1 },
    { type: 'q99' },
    { rules: {} },
    { rules: [{ pattern: 'x' }] },
    { rules: [null] },
    { vae: '' },
    { threads: 0 },
    { threads: 1.5 },
    { onProgress: 1 },
  ];
  for (const options of bad) {
    await t.rejects(
      convertModel(avatar, output, options as object),
      { code: 'INVALID_ARGUMENT' },
      JSON.stringify(options),
    );
  }
  await t.rejects(convertModel('', output), { code: 'INVALID_ARGUMENT' });
  await t.rejects(convertModel(avatar, 'out.bin'), { code: 'INVALID_ARGUMENT' });
  await t.rejects(convertModel(avatar, path.join(t.testdir(), 'out.safetensors'), { type: 'q4_k' }), {
    code: 'INVALID_ARGUMENT',
  });
});
