/** VAEs that pipelines share: swapped without the model, previews by a tiny one, and what does not fit. */
import path from 'node:path';
import t, { type Test } from 'tap';
import { type Image, Pipeline, Vae } from '../../lib/index';
import { sameBytes } from '../support/compare';
import { networkPath } from '../support/safetensors';

const file = networkPath('avatar.safetensors');
const tinyFile = path.resolve(__dirname, '..', 'fixtures', 'taesd', 'taesd.safetensors');
const request = { prompt: 'a smiling woman', width: 32, height: 32, steps: 3, seed: 7 } as const;
const one = { threads: 1 };

async function load(t: Test, options: { vae?: Vae | string; preview?: Vae | string } = {}): Promise<Pipeline> {
  const pipeline = await Pipeline.load(file, { ...one, ...options });
  t.teardown(() => pipeline.dispose());
  return pipeline;
}

async function loadVae(t: Test, name = tinyFile): Promise<Vae> {
  const vae = await Vae.load(name, one);
  t.teardown(() => vae.dispose());
  return vae;
}

const first = ({ images }: { images: Image[] }) => images[0].data;

t.test('one VAE serves two pipelines and outlives them', async (t) => {
  const tiny = await loadVae(t);
  const [a, b, plain] = [await load(t, { vae: tiny }), await load(t, { vae: tiny }), await load(t)];
  t.match(a.info.vae, { tiny: true });
  const [one, other] = await Promise.all([a.txt2img(request), b.txt2img(request)]);
  t.ok(sameBytes(first(one), first(other)));
  const own = first(await plain.txt2img(request));
  t.notOk(sameBytes(first(one), own), 'it is not the own VAE that decodes');
  await a.dispose();
  await b.dispose();

  t.ok(sameBytes(first(await plain.txt2img({ ...request, vae: tiny })), first(one)), 'swapped for a request');
  t.ok(sameBytes(first(await plain.txt2img(request)), own), 'and back');
  const image = (await plain.txt2img(request)).images[0];
  const drawn = first(await plain.img2img({ ...request, image, vae: tiny }));
  t.notOk(sameBytes(drawn, first(await plain.img2img({ ...request, image }))), 'encodes too');
});

t.test('a path is loaded, and disposed of with the pipeline', async (t) => {
  const pipeline = await load(t, { vae: tinyFile, preview: tinyFile });
  t.match(pipeline.info.vae, { tiny: true, downscale: 4 });
  t.equal((await pipeline.txt2img(request)).images.length, 1);
  await pipeline.dispose();
  await t.rejects(pipeline.txt2img(request), { code: 'DISPOSED' });
  const same = await load(t, { vae: file });
  t.match(same.info.vae, { tiny: false, scalingFactor: (await load(t)).info.vae?.scalingFactor });
});

t.test('previews by a tiny VAE', async (t) => {
  const tiny = await loadVae(t);
  const pipeline = await load(t, { preview: tiny });
  for await (const step of pipeline.steps(request)) {
    const [preview] = await step.preview();
    const [decoded] = await step.decode();
    t.match(preview, { width: 32, height: 32 });
    t.notOk(sameBytes(preview.data, decoded.data), `step ${step.step}`);
    const pixels = await tiny.decodeLatents(step.denoised, step.shape);
    t.ok(Math.abs((pixels[0] + 1) * 127.5 - preview.data[0]) <= 1, 'of the denoised latents');
  }
});

t.test('a saved run is given its VAE again', async (t) => {
  const tiny = await loadVae(t);
  const pipeline = await load(t);
  const whole = first(await pipeline.txt2img({ ...request, vae: tiny }));
  const run = pipeline.steps({ ...request, vae: tiny });
  await run.next();
  const saved = run.save();
  await run.return();
  t.throws(() => pipeline.resume(saved), { code: 'INVALID_REQUEST', message: /^vae/ });
  for await (const step of pipeline.resume(saved, { vae: tiny })) {
    if (step.step === step.steps) t.ok(sameBytes((await step.decode())[0].data, whole));
  }
});

t.test('what does not fit', async (t) => {
  const refused = (options: object, code: string, message: RegExp) =>
    t.rejects(Pipeline.load(file, { ...one, ...options }), { code, message });
  const six = await loadVae(t, networkPath('wide', 'vae'));
  await refused({ vae: six }, 'INVALID_ARGUMENT', /^vae: expected latents of 4 channels.*got 6/);
  await refused({ preview: six }, 'INVALID_ARGUMENT', /^preview: expected latents of 4 channels.*got 6/);
  const other = await loadVae(t, networkPath('sd1.safetensors'));
  await refused({ vae: other }, 'INVALID_ARGUMENT', /^vae: expected a scaling factor of 0\.9.*got 0\.18215/);
  await refused({ vae: 7 as unknown as string }, 'INVALID_ARGUMENT', /^vae: expected a Vae/);
  await refused({ vae: networkPath('ddpm.safetensors') }, 'MISSING_COMPONENT', /expected a VAE/);
  const pipeline = await load(t);
  for (const vae of [six, {} as Vae]) {
    await t.rejects(pipeline.txt2img({ ...request, vae }), { code: 'INVALID_REQUEST', message: /^vae/ });
  }
});
