/** Every native call with anything at all, in a process of its own: it may refuse, but it has to live. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { loadAddon } from '../../lib/binding/load';
import { adapterPath, networkPath } from '../support/safetensors';

const program = path.resolve(__dirname, '..', 'support', 'hostile-calls.cjs');
/** `ND_HOSTILE_CALLS=100000` makes as many. */
const calls = Number(process.env.ND_HOSTILE_CALLS ?? 3000);
const seed = Number(process.env.ND_HOSTILE_SEED ?? Date.now() % 2 ** 31);

t.test(
  `${calls} native calls with wrong receivers, types, shapes, sizes, handles and numbers, seed ${seed}`,
  {
    timeout: 60_000 + calls * 30,
  },
  async (t) => {
    const log = path.join(t.testdir(), 'calls');
    const models = ['avatar.safetensors', 'ddpm.safetensors'].map((name) => networkPath(name));
    const [control, upscaler] = ['control/edges', 'upscalers/x2'].map((name) =>
      path.resolve(__dirname, '..', 'fixtures', `${name}.safetensors`),
    );
    const { status, signal, stdout, stderr } = spawnSync(
      process.execPath,
      [program, String(calls), String(seed), log, ...models, adapterPath('plain.safetensors'), control, upscaler],
      { encoding: 'utf8' },
    );
    const last = readFileSync(log, 'utf8').split('\n').slice(-40).join('\n');
    t.strictSame({ status, signal }, { status: 0, signal: null }, 'it lives', { stderr, last: last.split('\n') });
    if (status !== 0) return;
    const { made, outcomes } = JSON.parse(stdout) as { made: number; outcomes: Record<string, number> };
    t.ok(made >= calls, `${made} calls: ${stdout}`);
    for (const outcome of ['value', 'INVALID_ARGUMENT', 'DISPOSED', 'TypeError']) t.ok(outcomes[outcome] > 0, outcome);
  },
);

t.test('what a ControlNet makes is neither a LoRA nor a set of them', async (t) => {
  const addon = loadAddon();
  const options = { precision: 'auto', threads: 1, memoryBudgetBytes: null };
  const net = await addon.load(
    path.resolve(__dirname, '..', 'fixtures', 'control', 'edges.safetensors'),
    options,
    null,
    null,
  );
  const model = await addon.load(networkPath('avatar.safetensors'), options, null, null);
  const floats = (length: number) => new Float32Array(length);
  const embeddings = floats(77 * model.info.textEncoder!.width);
  const hint = await net.embedHint(floats(3 * 1024), [1, 3, 32, 32], null);
  const context = await net.createContext(embeddings, 1, null, null, null);
  const strengths = floats(net.info.controlNet!.maps);
  const residuals = await net.controlResiduals(floats(256), [1, 4, 8, 8], 500, context, hint, strengths, null);
  const lora = await addon.loadLora(adapterPath('plain.safetensors'));
  const sets = await model.createAdapters([{ lora, unetWeight: 1, textEncoderWeight: 1 }]);
  const refused = { code: 'INVALID_ARGUMENT' };
  for (const other of [hint, residuals, sets, context] as unknown as (typeof lora)[]) {
    const use = { lora: other, unetWeight: 1, textEncoderWeight: 1 };
    await t.rejects(async () => model.createAdapters([use]), refused);
  }
  for (const other of [hint, residuals, lora, context] as unknown as (typeof sets)[]) {
    await t.rejects(async () => model.createContext(embeddings, 1, null, null, other), refused);
  }
  for (const other of [sets, lora, residuals, context] as unknown as (typeof hint)[]) {
    const place = [floats(256), [1, 4, 8, 8], 500, context, other, strengths, null] as const;
    await t.rejects(async () => net.controlResiduals(...place), refused);
  }
  await model.dispose();
  await net.dispose();
});

t.test('an object of one class is none of another, whatever its prototype says', async (t) => {
  const addon = loadAddon();
  const options = { precision: 'auto', threads: 1, memoryBudgetBytes: null };
  const model = await addon.load(networkPath('ddpm.safetensors'), options, null, null);
  const { prototype } = addon.Cancellation;
  const getter = (of: object, name: string) =>
    Object.getOwnPropertyDescriptor(Object.getPrototypeOf(of), name)?.get as () => unknown;
  const refused = { code: 'INVALID_ARGUMENT' };
  for (const other of [new addon.Cancellation(), {}, Object.create(model), new Proxy(model, {}), 1]) {
    t.throws(() => getter(model, 'info').call(other), refused);
    const call = model.stats as unknown as () => void;
    t.throws(() => call.call(other), /this|Illegal invocation/);
  }
  const own = Object.getPrototypeOf(model);
  Object.setPrototypeOf(model, prototype);
  t.ok(model instanceof addon.Cancellation);
  t.throws(() => own.decode.call(model, new Float32Array(), [1, 1, 1, 1], model), refused);
  Object.setPrototypeOf(model, own);
  t.match(await model.stats(), { computeBytes: 0 }, 'and the model still works');
  await model.dispose();
});
