/** What changed a picture is in its parameters: read back where a request can say it, and else named under `unknown`. */
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import t from 'tap';
import { ControlNet, type Image, Lora, Pipeline, parseInfotext, type Txt2ImgRequest, Vae } from '../../lib/index';
import { sameBytes } from '../support/compare';
import { adapterPath, networkPath } from '../support/safetensors';

const file = networkPath('avatar.safetensors');
const fixture = (...name: string[]) => path.resolve(__dirname, '..', 'fixtures', ...name);
const request = { prompt: 'a sad man', width: 32, height: 32, steps: 3, seed: 7, cfgScale: 4 } as const;
const folder = mkdtempSync(path.join(tmpdir(), 'node-diffusion-'));
t.teardown(() => rmSync(folder, { recursive: true }));
copyFileSync(adapterPath('plain.safetensors'), path.join(folder, 'plain.safetensors'));

const first = async (pipeline: Pipeline, more: Partial<Txt2ImgRequest> = {}) =>
  (await pipeline.txt2img({ ...request, ...more })).images[0];
const unknownOf = ({ parameters }: Image) => {
  const { Model, ...rest } = parseInfotext(parameters!).unknown;
  t.equal(Model, 'avatar');
  return rest;
};

t.test('an interval of guidance is read back, and draws the same bytes', async (t) => {
  await using pipeline = await Pipeline.load(file, { threads: 1 });
  for (const guidanceInterval of [
    [0.3, 3],
    [0, 1e9],
    [1e-7, 2.5],
  ] as const) {
    const image = await first(pipeline, { guidanceInterval });
    const { request: read } = parseInfotext(await image.toPNG());
    t.strictSame(read.guidanceInterval, guidanceInterval);
    t.strictSame(unknownOf(image), {});
    t.ok(sameBytes((await pipeline.txt2img(read)).images[0].data, image.data));
  }
  t.notOk(sameBytes((await first(pipeline, { guidanceInterval: [0.3, 3] })).data, (await first(pipeline)).data));
});

t.test('LoRAs that were given are named, in words that a prompt takes', async (t) => {
  const lora = await Lora.load(adapterPath('plain.safetensors'));
  const adapters = [{ lora, weight: 0.8, textEncoderWeight: 0.5 }];
  await using pipeline = await Pipeline.load(file, { threads: 1, loraFolder: folder });
  const image = await first(pipeline, { adapters });
  t.strictSame(unknownOf(image), { LoRAs: '<lora:plain:0.5:0.8>' });
  const { request: read, unknown } = parseInfotext(await image.toPNG());
  t.equal(read.prompt, request.prompt);
  const again = await first(pipeline, { prompt: `${read.prompt}${unknown.LoRAs}` });
  t.ok(sameBytes(again.data, image.data), 'drawn again from the folder');
  t.strictSame(unknownOf(again), {}, 'what the prompt names is not told twice');

  await using changed = await Pipeline.load(file, { threads: 1, adapters: [{ lora }] });
  t.strictSame(unknownOf(await first(changed)), { LoRAs: '<lora:plain:1>' }, "the pipeline's");
  t.strictSame(unknownOf(await first(changed, { adapters: [] })), {});
});

t.test("a VAE that is not the model's own is named", async (t) => {
  await using vae = await Vae.load(fixture('taesd', 'taesd.safetensors'), { threads: 1 });
  await using pipeline = await Pipeline.load(file, { threads: 1 });
  t.strictSame(unknownOf(await first(pipeline, { vae })), { VAE: 'taesd.safetensors' });
  t.strictSame(unknownOf(await first(pipeline)), {});
  await using other = await Pipeline.load(file, { threads: 1, vae });
  t.strictSame(unknownOf(await first(other)), { VAE: 'taesd.safetensors' });
});

t.test('ControlNets are named', async (t) => {
  await using net = await ControlNet.load(fixture('control', 'edges.safetensors'), { threads: 1 });
  await using pipeline = await Pipeline.load(file, { threads: 1 });
  const image = await first(pipeline);
  const control = [
    { net, image },
    { net, image, weight: 0.5, start: 0.2, end: 0.8, mode: 'prompt' },
  ] as const;
  t.strictSame(unknownOf(await first(pipeline, { control })), {
    'ControlNet 0': 'Model: edges, Weight: 1, Guidance Start: 0, Guidance End: 1, Control Mode: Balanced',
    'ControlNet 1':
      'Model: edges, Weight: 0.5, Guidance Start: 0.2, Guidance End: 0.8, Control Mode: My prompt is more important',
  });
});

t.test('a run that was changed on its way says so, and no other', async (t) => {
  await using pipeline = await Pipeline.load(file, { threads: 1 });
  const plain = await first(pipeline);
  const steered = await first(pipeline, { onStep: ({ step }) => (step === 1 ? { cfgScale: 1 } : undefined) });
  t.notOk(sameBytes(steered.data, plain.data));
  t.strictSame(unknownOf(steered), { Steered: 'True' });
  t.strictSame(unknownOf(plain), {});
  t.strictSame(unknownOf(await first(pipeline, { onStep: () => ({ cfgScale: request.cfgScale }) })), {}, 'to the same');
  const late = await first(pipeline, { onStep: ({ step }) => (step === 3 ? { cfgScale: 1 } : undefined) });
  t.ok(sameBytes(late.data, plain.data));
  t.strictSame(unknownOf(late), {}, 'after the last step');

  const run = pipeline.steps(request);
  await run.next();
  run.change({ prompt: 'a woman' });
  await run.next();
  run.change({ prompt: request.prompt });
  const saved = run.save();
  await run.return();
  for await (const step of pipeline.resume(saved)) {
    t.strictSame(
      unknownOf((await step.decode())[0]),
      { Steered: 'True' },
      'remembered when saved, also when changed back',
    );
  }
});

t.test('a start of its own is told', async (t) => {
  await using pipeline = await Pipeline.load(file, { threads: 1 });
  const { latentChannels, downscale } = pipeline.info.vae!;
  const latents = new Float32Array(latentChannels * (32 / downscale) ** 2).fill(0.5);
  t.strictSame(unknownOf(await first(pipeline, { latents })), { 'Start latents': 'True' });
});
