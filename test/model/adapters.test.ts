/** LoRAs of every kind against diffusers, peft and LyCORIS' library (test/fixtures/adapters), and that none leaves a trace. */
import { copyFileSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import t from 'tap';
import type { AdapterSet } from '../../lib/model/adapters';
import { Lora } from '../../lib/model/lora';
import { Model } from '../../lib/model/model';
import { relativeError, sameBytes } from '../support/compare';
import { adapterPath, networkPath, readFixture } from '../support/safetensors';
import { writeAltered } from './altered-file';

const reference = readFixture(adapterPath('adapters.ref.safetensors'));
const { tolerance, cases } = reference.facts;
const avatar = networkPath('avatar.safetensors');
const folder = mkdtempSync(path.join(tmpdir(), 'node-diffusion-'));
t.teardown(() => rmSync(folder, { recursive: true }));

/** What a model makes of its own fixture's first row. */
async function outputsOf(model: Model, fixture: string, adapters?: AdapterSet) {
  const inputs = readFixture(networkPath(`${fixture}.ref.safetensors`));
  const ids = inputs.i32('ids').data.subarray(0, 77);
  const { shape, data } = inputs.f32('embeddings');
  const context = await model.createContext(data.slice(0, shape[1] * shape[2]), 1, undefined, null, adapters);
  const latents = inputs.f32('latents');
  const noise = await model.predictNoise(latents.data, latents.shape as never, inputs.facts.timestep, context);
  context.dispose();
  return { embeddings: await model.encodeText(ids, 1, 0, undefined, { adapters }), noise };
}

type Outputs = Awaited<ReturnType<typeof outputsOf>>;
const equal = (a: Outputs, b: Outputs) => sameBytes(a.noise, b.noise) && sameBytes(a.embeddings, b.embeddings);

function errorsOf(outputs: Outputs, name: string) {
  const error = (output: keyof Outputs) => relativeError(outputs[output], reference.f32(`${name}.${output}`).data);
  return { embeddings: error('embeddings'), noise: error('noise') };
}

async function bind(model: Model, ...names: string[]) {
  const uses = names.map(async (name) => {
    const { weight, textEncoderWeight } = cases[name];
    return { lora: await Lora.load(adapterPath(`${name}.safetensors`)), weight, textEncoderWeight };
  });
  return model.createAdapters(await Promise.all(uses));
}

t.test('every kind, one after another, then none', async (t) => {
  const model = await Model.load(avatar, { precision: 'f32', threads: 2 });
  t.teardown(() => model.dispose());
  const before = await outputsOf(model, 'avatar');
  const first = new Map<string, Outputs>();
  for (const name of Object.keys(cases)) {
    const set = await bind(model, name);
    const [{ matched, total, unmatched }] = set.reports;
    t.strictSame([matched, unmatched], [total, []], `${name}: ${matched} of ${total} tensors`);
    const outputs = await outputsOf(model, 'avatar', set);
    const { embeddings, noise } = errorsOf(outputs, name);
    t.ok(
      noise <= tolerance && embeddings <= tolerance,
      `${name}: ${noise.toExponential(1)}, ${embeddings.toExponential(1)}`,
    );
    first.set(name, outputs);
  }
  const both = await outputsOf(model, 'avatar', await bind(model, 'plain', 'hadamard'));
  const { embeddings, noise } = errorsOf(both, 'both');
  t.ok(noise <= tolerance && embeddings <= tolerance, `two at once: ${noise}, ${embeddings}`);
  for (const [name, outputs] of [...first].reverse()) {
    t.ok(
      equal(await outputsOf(model, 'avatar', await bind(model, name)), outputs),
      `${name}: the same bytes after others`,
    );
  }
  t.ok(equal(await outputsOf(model, 'avatar'), before), 'the same bytes as before');
});

t.test('weights packed for bf16 and int8, and those quantised in blocks, come back as they were', async (t) => {
  // What the arithmetic alone costs; adapters.md says how a LoRA reaches such weights.
  const limits = { auto: 3e-2, f16: 3e-3, bf16: 3e-2, q8_0: 5e-2 };
  for (const [precision, limit] of Object.entries(limits)) {
    const model = await Model.load(avatar, { precision, threads: 2 });
    const before = await outputsOf(model, 'avatar');
    for (const names of [['plain'], ['compvis-blocks'], ['plain', 'hadamard'], ['kronecker']]) {
      const outputs = await outputsOf(model, 'avatar', await bind(model, ...names));
      const { embeddings, noise } = errorsOf(outputs, names.length > 1 ? 'both' : names[0]);
      t.ok(noise <= limit && embeddings <= limit, `${precision}, ${names}: ${noise}, ${embeddings}`);
    }
    t.ok(equal(await outputsOf(model, 'avatar'), before), `${precision}: the same bytes as before`);
    await model.dispose();
  }
});

t.test('on weights quantised in blocks it runs beside them', async (t) => {
  const lora = await Lora.load(adapterPath('quantised.safetensors'));
  const quant = networkPath('quant.gguf');
  const base = readFixture(networkPath('quant.ref.safetensors')).f32('noise.grid').data;
  const limits = { f32: tolerance, auto: 3e-2, q8_0: 4e-2, q4_0: undefined };
  for (const [precision, known] of Object.entries(limits)) {
    const model = await Model.load(quant, { precision, threads: 2 });
    const before = await outputsOf(model, 'quant');
    // What four bits cost is larger than any bound that would mean something: twice what they cost without the LoRA.
    const limit = known ?? 2 * relativeError(before.noise, base.slice(0, before.noise.length));
    const set = await model.createAdapters([{ lora, weight: 0.8 }]);
    const outputs = await outputsOf(model, 'quant', set);
    const { embeddings, noise } = errorsOf(outputs, 'quantised');
    t.ok(noise <= limit && embeddings <= limit, `${precision}: ${noise}, ${embeddings}`);
    const halves = [
      { lora, weight: 0.3 },
      { lora: await Lora.load(adapterPath('quantised.safetensors')), weight: 0.5 },
    ];
    const joined = await outputsOf(model, 'quant', await model.createAdapters(halves));
    t.ok(relativeError(joined.noise, outputs.noise) < 1e-2, `${precision}: two of them add up`);
    t.ok(equal(await outputsOf(model, 'quant', set), outputs), `${precision}: the same bytes again`);
    t.ok(equal(await outputsOf(model, 'quant'), before), `${precision}: the same bytes as before`);
    await model.dispose();
  }
});

t.test('what a LoRA tells of itself', async (t) => {
  const { info } = await Lora.load(adapterPath('plain.safetensors'));
  t.match(info, { name: 'plain', kinds: ['lora'], rank: 2, layers: cases.plain.layers, tensors: cases.plain.tensors });
  t.strictSame(info.trainedWords, ['blue hair', 'a wisp', 'hat']);
  t.strictSame((await Lora.load(adapterPath('full.safetensors'))).info.kinds, ['full']);
  t.strictSame((await Lora.load(adapterPath('hadamard.safetensors'))).info.kinds, ['loha']);
  t.strictSame((await Lora.load(adapterPath('kronecker.safetensors'))).info.kinds, ['lokr']);
  t.equal((await Lora.load(adapterPath('peft.safetensors'))).info.rank, 4);
});

t.test('names in the manners of all scripts', async (t) => {
  const model = await Model.load(avatar, { precision: 'f32', threads: 1 });
  t.teardown(() => model.dispose());
  const expected = await outputsOf(model, 'avatar', await bind(model, 'peft'));
  const manners: Record<string, (name: string) => string> = {
    'diffusers 0.2x': (name) => name.replace('lora_A', 'lora.down').replace('lora_B', 'lora.up'),
    processors: (name) =>
      name
        .replace(/\.attn(\d)\.to_q\.lora_A/, '.attn$1.processor.to_q_lora.down')
        .replace(/\.attn(\d)\.to_q\.lora_B/, '.attn$1.processor.to_q_lora.up')
        .replace(/\.attn(\d)\.to_out\.0\.lora_A/, '.attn$1.processor.to_out_lora.down')
        .replace(/\.attn(\d)\.to_out\.0\.lora_B/, '.attn$1.processor.to_out_lora.up')
        .replace('q_proj.lora_A', 'to_q_lora.down')
        .replace('q_proj.lora_B', 'to_q_lora.up')
        .replace('out_proj.lora_A', 'to_out_lora.down')
        .replace('out_proj.lora_B', 'to_out_lora.up'),
    'linear layers': (name) =>
      name.replace('lora_A', 'lora_linear_layer.down').replace('lora_B', 'lora_linear_layer.up'),
    'no text_model': (name) => name.replace('text_encoder.text_model.', 'text_encoder.'),
    'peft alone': (name) => name.replace(/^(unet|text_encoder)\./, 'base_model.model.'),
  };
  for (const [manner, rename] of Object.entries(manners)) {
    const file = writeAltered(adapterPath('peft.safetensors'), path.join(folder, 'named.safetensors'), (header) => {
      for (const name of Object.keys(header)) {
        if (name === '__metadata__' || rename(name) === name) continue;
        header[rename(name)] = header[name];
        delete header[name];
      }
    });
    const set = await model.createAdapters([{ lora: await Lora.load(file) }]);
    t.strictSame(set.reports[0].unmatched, [], manner);
    t.ok(equal(await outputsOf(model, 'avatar', set), expected), manner);
  }
});

t.test('what cannot be used is refused, and the model lives on', async (t) => {
  const model = await Model.load(avatar, { precision: 'f32', threads: 1 });
  t.teardown(() => model.dispose());
  const plain = adapterPath('plain.safetensors');
  const altered = (change: (header: Record<string, { shape: number[]; dtype: string }>) => void) =>
    Lora.load(writeAltered(plain, path.join(folder, 'altered.safetensors'), change as never));
  const up = 'lora_unet_conv_none.lora_up.weight';
  const q = 'lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q';
  await t.rejects(Lora.load(avatar), { code: 'UNKNOWN_ARCHITECTURE', message: /expected a LoRA/ });
  await t.rejects(Lora.load(path.join(folder, 'absent.safetensors')), { code: 'FILE_NOT_FOUND' });
  await t.rejects(Lora.load(5 as never), { code: 'INVALID_ARGUMENT' });
  writeFileSync(path.join(folder, 'text.safetensors'), 'not at all');
  await t.rejects(Lora.load(path.join(folder, 'text.safetensors')), { code: 'FILE_INVALID' });
  const renamed = (to: string) =>
    altered((header) => {
      header[to] = header[`${q}.lora_up.weight`];
      delete header[`${q}.lora_up.weight`];
    });
  await t.rejects(renamed(`${q}.dora_scale`), { code: 'UNKNOWN_ARCHITECTURE', message: /DoRA/ });
  await t.rejects(
    altered((header) => (header[`${q}.alpha`].dtype = 'I16')),
    { code: 'UNSUPPORTED_TYPE', message: /I16/ },
  );
  const half = await renamed(up);
  await t.rejects(model.createAdapters([{ lora: half }]), { code: 'FILE_INVALID', message: /lacks its up/ });
  const shaped = await altered((header) => header[`${q}.lora_down.weight`].shape.reverse());
  await t.rejects(model.createAdapters([{ lora: shaped }]), {
    code: 'TENSOR_SHAPE',
    message: new RegExp(`${q}.*expected \\[2, 24, 1\\] for this model, got \\[24, 2\\]`),
  });
  const other = await altered((header) => {
    for (const name of Object.keys(header)) {
      if (name === '__metadata__') continue;
      header[name.replace(/^lora_(unet|te)_/, 'lora_unet_double_blocks_')] = header[name];
      delete header[name];
    }
  });
  await t.rejects(model.createAdapters([{ lora: other }]), {
    code: 'INVALID_ARGUMENT',
    message: /none of its \d+ tensors changes a layer of it: the file is for Flux$/,
  });
  const partly = await altered((header) => {
    header['lora_unet_nowhere.alpha'] = header[`${q}.alpha`];
    delete header[`${q}.alpha`];
  });
  const [report] = (await model.createAdapters([{ lora: partly }])).reports;
  t.match(report, {
    matched: cases.plain.tensors - 1,
    total: cases.plain.tensors,
    unmatched: ['lora_unet_nowhere.alpha'],
  });

  const lora = await Lora.load(plain);
  const foreign = await Model.load(avatar, { threads: 1 });
  const set = await foreign.createAdapters([{ lora }]);
  await t.rejects(outputsOf(model, 'avatar', set), { code: 'INVALID_ARGUMENT', message: /^adapters: / });
  await foreign.dispose();
  lora.dispose();
  await t.rejects(model.createAdapters([{ lora }]), { code: 'DISPOSED' });
  t.ok((await outputsOf(model, 'avatar')).noise.length > 0);
});

t.test('a model file that has changed since is not merged with', async (t) => {
  const file = path.join(folder, 'model.safetensors');
  copyFileSync(avatar, file);
  const model = await Model.load(file, { threads: 1 });
  t.teardown(() => model.dispose());
  const set = await bind(model, 'plain');
  const before = await outputsOf(model, 'avatar');
  utimesSync(file, new Date(0), new Date(0));
  await t.rejects(outputsOf(model, 'avatar', set), { code: 'FILE_INVALID', message: /has changed since/ });
  rmSync(file);
  await t.rejects(outputsOf(model, 'avatar', set), { code: 'FILE_NOT_FOUND' });
  t.ok(equal(await outputsOf(model, 'avatar'), before), 'what needs no merging goes on');
});

t.test('a cancelled merge leaves nothing half done', async (t) => {
  const model = await Model.load(avatar, { precision: 'f32', threads: 1 });
  t.teardown(() => model.dispose());
  const set = await bind(model, 'plain');
  const [before, expected] = [await outputsOf(model, 'avatar'), await outputsOf(model, 'avatar', set)];
  await outputsOf(model, 'avatar');
  const width = model.info.textEncoder!.width;
  for (let i = 0; i < 20; i++) {
    const cancel = new AbortController();
    const call = model.createContext(new Float32Array(77 * width), 1, cancel.signal, null, i % 2 ? set : undefined);
    setTimeout(() => cancel.abort(), i / 4);
    await call.catch(() => undefined);
  }
  t.ok(equal(await outputsOf(model, 'avatar', set), expected));
  t.ok(equal(await outputsOf(model, 'avatar'), before));
});

t.test('in a process of its own', async (t) => {
  const model = await Model.load(avatar, { precision: 'f32', threads: 1, isolate: true });
  t.teardown(() => model.dispose());
  const before = await outputsOf(model, 'avatar');
  const set = await bind(model, 'plain');
  t.match(set.reports[0], { matched: cases.plain.tensors, unmatched: [] });
  const { embeddings, noise } = errorsOf(await outputsOf(model, 'avatar', set), 'plain');
  t.ok(noise <= tolerance && embeddings <= tolerance, `${noise}, ${embeddings}`);
  t.ok(equal(await outputsOf(model, 'avatar'), before));
});

t.test("PyTorch's files", async (t) => {
  await t.rejects(Lora.load(networkPath('quant.gguf')), { code: 'UNKNOWN_ARCHITECTURE', message: /expected a LoRA/ });
});
