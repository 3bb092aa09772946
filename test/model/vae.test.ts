/** Shared VAEs: a tiny one against diffusers' AutoencoderTiny under each of its namings, and a whole one out of a model. */
import { cp, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import t, { type Test } from 'tap';
import { inspectModel } from '../../lib/model/inspect';
import { Model, type PlanesShape } from '../../lib/model/model';
import { Vae } from '../../lib/model/vae';
import { relativeError, sameBytes } from '../support/compare';
import { networkPath, readFixture } from '../support/safetensors';

const fixture = (name: string) => path.resolve(__dirname, '..', 'fixtures', 'taesd', name);
const reference = readFixture(fixture('taesd.ref.safetensors'));
const data = (name: string) => reference.f32(name).data;
const shape = (name: string) => reference.f32(name).shape as unknown as PlanesShape;

async function load(t: Test, file: string, options = {}): Promise<Vae> {
  const vae = await Vae.load(file, { threads: 1, ...options });
  t.teardown(() => vae.dispose());
  return vae;
}

t.test('a tiny autoencoder, as diffusers computes it', async (t) => {
  for (const [precision, tolerance] of Object.entries({ f32: reference.facts.tolerance, bf16: 3e-2, auto: 3e-2 })) {
    const vae = await load(t, fixture('taesd.safetensors'), { precision });
    t.match(vae.info.vae, { latentChannels: 4, scalingFactor: 1, downscale: 4, tiny: true });
    const decoded = relativeError(await vae.decodeLatents(data('latents'), shape('latents')), data('decoded'));
    t.ok(decoded <= tolerance, `${precision}: decoded to ${decoded.toExponential(2)}`);
    const encoded = relativeError(await vae.encodeImage(data('pixels'), shape('pixels')), data('encoded'));
    t.ok(encoded <= tolerance, `${precision}: encoded to ${encoded.toExponential(2)}`);
  }
});

t.test('the same under the names of its own files and in a folder', async (t) => {
  const whole = await load(t, fixture('taesd.safetensors'), { precision: 'f32' });
  const decoder = await load(t, fixture('taesd_decoder.safetensors'), { precision: 'f32' });
  const encoder = await load(t, fixture('taesd_encoder.safetensors'), { precision: 'f32' });
  const decoded = await whole.decodeLatents(data('latents'), shape('latents'));
  t.ok(sameBytes(await decoder.decodeLatents(data('latents'), shape('latents')), decoded));
  const encoded = await whole.encodeImage(data('pixels'), shape('pixels'));
  t.ok(sameBytes(await encoder.encodeImage(data('pixels'), shape('pixels')), encoded));
  await t.rejects(decoder.encodeImage(data('pixels'), shape('pixels')), { code: 'MISSING_COMPONENT' });
  await t.rejects(encoder.decodeLatents(data('latents'), shape('latents')), { code: 'MISSING_COMPONENT' });

  const folder = path.join(t.testdir(), 'tiny');
  await mkdir(folder);
  await cp(fixture('taesd.safetensors'), path.join(folder, 'diffusion_pytorch_model.safetensors'));
  const write = (config: object) => writeFile(path.join(folder, 'config.json'), JSON.stringify(config));
  await write({ _class_name: 'AutoencoderTiny', act_fn: 'relu', scaling_factor: 1.0 });
  const inFolder = await load(t, folder, { precision: 'f32' });
  t.ok(sameBytes(await inFolder.decodeLatents(data('latents'), shape('latents')), decoded));
  await write({ _class_name: 'AutoencoderTiny', act_fn: 'gelu' });
  await t.rejects(Vae.load(folder), { code: 'UNKNOWN_ARCHITECTURE', message: /act_fn is "gelu"/ });
});

t.test('in tiles above the budget, and as inspect tells it', async (t) => {
  const whole = await load(t, fixture('taesd.safetensors'));
  const tiled = await load(t, fixture('taesd.safetensors'), { memoryBudgetBytes: 1_500_000 });
  const latents = Float32Array.from({ length: 4 * 64 * 64 }, (_, i) => Math.sin(i));
  const expected = await whole.decodeLatents(latents, [1, 4, 64, 64]);
  const actual = await tiled.decodeLatents(latents, [1, 4, 64, 64]);
  t.notOk(sameBytes(actual, expected), 'the budget asks for tiles');
  t.ok(
    actual.every((value, i) => Math.abs(value - (expected[i] ?? Number.NaN)) < 0.2),
    'whose seams are slight',
  );
  t.match((await inspectModel(fixture('taesd.safetensors'))).components, {
    unet: false,
    vae: true,
    textEncoder: false,
  });
});

t.test("a whole model's VAE alone", async (t) => {
  const file = networkPath('avatar.safetensors');
  const model = await Model.load(file, { threads: 1 });
  t.teardown(() => model.dispose());
  const vae = await load(t, file);
  t.match(vae.info.components, { unet: false, vae: true, textEncoder: false });
  t.ok(vae.info.weightBytes < model.info.weightBytes / 2, 'the rest is not loaded');
  const latents = Float32Array.from({ length: 4 * 64 }, (_, i) => Math.sin(i));
  t.ok(
    sameBytes(await vae.decodeLatents(latents, [1, 4, 8, 8]), await model.decodeLatents(latents, [1, 4, 8, 8])),
    'the same pixels',
  );
  await vae.dispose();
  await t.rejects(vae.decodeLatents(latents, [1, 4, 8, 8]), { code: 'DISPOSED' });
});

t.test('what is not a VAE, and options that do not fit', async (t) => {
  await t.rejects(Vae.load(networkPath('ddpm.safetensors')), { code: 'MISSING_COMPONENT', message: /expected a VAE/ });
  for (const scalingFactor of [0, -1, Number.NaN, '1' as unknown as number]) {
    await t.rejects(Vae.load(networkPath('avatar.safetensors'), { scalingFactor }), { code: 'INVALID_ARGUMENT' });
  }
});
