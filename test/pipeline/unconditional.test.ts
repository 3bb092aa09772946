/** Pictures from noise alone: against diffusers' pipelines, whole requests, and what is refused. */
import path from 'node:path';
import t from 'tap';
import { createNoiseModel, embeddedDdpmPath, Image, Pipeline, UnconditionalPipeline } from '../../lib/index';
import { writeAltered } from '../model/altered-file';
import { sameBytes } from '../support/compare';
import { networkPath, readFixture } from '../support/safetensors';

const file = networkPath('ddpm.safetensors');
const request = { steps: 4, seed: 7 };

t.test('of several requests one of high priority goes first', async (t) => {
  await using pipeline = await Pipeline.unconditional(file, { threads: 1 });
  const log: number[] = [];
  const generate = (priority: number) =>
    pipeline.generate({ ...request, seed: 1, priority, onStep: () => void log.push(priority) });
  const { steps } = request;
  await Promise.all([0, 0, 0, 1].map(generate));
  const first = log.indexOf(1);
  t.strictSame(log.slice(first, first + steps), Array(steps).fill(1));
  const cancel = new AbortController();
  const [running, waiting] = [pipeline.generate(request), pipeline.generate({ ...request, signal: cancel.signal })];
  cancel.abort();
  await t.rejects(waiting, { code: 'ABORTED' });
  await running;
});

t.test("DDIM and DDPM draw what diffusers' pipelines draw", async (t) => {
  const reference = readFixture(networkPath('ddpm.ref.safetensors'));
  await using pipeline = await Pipeline.unconditional(file, { threads: 1, precision: 'f32' });
  const { betaStart, betaEnd, trainSteps } = pipeline.info.prediction;
  const levels = createNoiseModel({ betaSchedule: 'linear', betaStart, betaEnd, trainSteps });
  for (const name of ['ddim', 'ddpm'] as const) {
    const timesteps = [...reference.f32(`${name}.timesteps`).data];
    const { images } = await pipeline.generate({
      sampler: name,
      schedule: [...timesteps.map((timestep) => levels.timestepToSigma(timestep)), 0],
      // torch's generator, so that every draw of noise is diffusers' own
      ...{ seed: reference.facts.image_seed, rng: 'torch' },
    });
    const wanted = reference.f32(`${name}.image`).data.map((value) => Math.round(value * 255));
    t.equal(images[0].data.length, wanted.length);
    const near = images[0].data.filter((value, i) => Math.abs(value - wanted[i]) <= 1).length / wanted.length;
    t.ok(near >= 0.999, `${name}, ${timesteps.length} steps: ${(near * 100).toFixed(2)} % within 1/255`);
    const between = wanted.filter((value) => value > 0 && value < 255).length / wanted.length;
    t.ok(between > 0.5, `${name}: ${(between * 100).toFixed(0)} % of the values are not at the bounds`);
  }
});

t.test('a request gives pictures with their parameters', async (t) => {
  await using pipeline = await Pipeline.unconditional(file, { threads: 1 });
  t.ok(pipeline instanceof UnconditionalPipeline);
  t.equal(pipeline.info.family, 'ddpm');
  const { images, seeds } = await pipeline.generate({ ...request, batchSize: 2 });
  t.strictSame(seeds, [7, 8]);
  t.ok(images[0] instanceof Image);
  t.match(images, [
    { width: 16, height: 16 },
    { parameters: /^Steps: 4, Sampler: DDIM, .*Seed: 8, Size: 16x16, Model: ddpm$/ },
  ]);
  t.notOk(sameBytes(images[0].data, images[1].data), 'other seeds give other pictures');
  const wide = (await pipeline.generate({ ...request, width: 24, height: 8 })).images[0];
  t.match(wide, { width: 24, height: 8 });
  t.match((await pipeline.generate()).images[0].parameters, /^Steps: 7, Sampler: DDIM/, "the file's own defaults");
});

t.test('the same request gives the same bytes, whatever the threads and the batch', async (t) => {
  for (const sampler of ['ddim', 'ddpm'] as const) {
    await using one = await Pipeline.unconditional(file, { threads: 1 });
    await using two = await Pipeline.unconditional(file, { threads: 2 });
    const alone = (await one.generate({ ...request, sampler, seed: 9 })).images[0].data;
    const again = (await one.generate({ ...request, sampler, seed: 9 })).images[0].data;
    const threaded = (await two.generate({ ...request, sampler, seed: 9 })).images[0].data;
    const inBatch = (await two.generate({ ...request, sampler, seed: 7, batchSize: 3 })).images[2].data;
    t.ok(sameBytes(alone, again), `${sampler}: twice`);
    t.ok(sameBytes(alone, threaded), `${sampler}: one thread and two`);
    t.ok(sameBytes(alone, inBatch), `${sampler}: alone and third of a batch`);
  }
});

t.test('eta tells DDIM and DDPM apart', async (t) => {
  await using pipeline = await Pipeline.unconditional(file, { threads: 1 });
  const draw = async (options: object) => (await pipeline.generate({ ...request, ...options })).images[0].data;
  const ddpm = await draw({ sampler: 'ddpm' });
  t.notOk(sameBytes(await draw({ sampler: 'ddim' }), ddpm));
  t.ok(sameBytes(await draw({ sampler: 'ddim', eta: 1 }), ddpm), 'DDIM with eta 1 is DDPM');
});

t.test('steps and onStep tell of every step', async (t) => {
  await using pipeline = await Pipeline.unconditional(file, { threads: 1 });
  const heard: number[] = [];
  const { images } = await pipeline.generate({
    ...request,
    onStep: ({ step, steps }) => void heard.push(step / steps),
  });
  t.strictSame(heard, [0.25, 0.5, 0.75, 1]);
  let last: Image[] = [];
  for await (const { step, denoised, decode } of pipeline.steps(request)) {
    t.ok(
      denoised.every((value) => Math.abs(value) <= 1),
      `step ${step}: the denoised pixels are within their bounds`,
    );
    last = await decode();
  }
  t.ok(sameBytes(last[0].data, images[0].data), 'the last step decodes to what generate returns');
});

t.test('grey pictures, other folders, start noise of ones own', async (t) => {
  await using grey = await Pipeline.unconditional(networkPath('ddpm_grey'), { threads: 1 });
  const { data } = (await grey.generate({ ...request, steps: 2 })).images[0];
  t.ok(
    data.every((value, i) => value === data[i - (i % 3)]),
    'red, green and blue are equal',
  );
  await using old = await Pipeline.unconditional(networkPath('ddpm_old'), { threads: 1 });
  const latents = new Float32Array(3 * 16 * 16).fill(0.5);
  const own = (await old.generate({ steps: 2, latents })).images[0].data;
  t.ok(
    sameBytes(own, (await old.generate({ steps: 2, latents, seed: 99 })).images[0].data),
    'DDIM draws no other noise',
  );
});

t.test('what is refused', async (t) => {
  await using pipeline = await Pipeline.unconditional(file, { threads: 1 });
  const cases: [options: object, code: string, message: RegExp][] = [
    [{ prompt: 'a cat' }, 'INVALID_REQUEST', /^prompt: there is no such option; there are width, /],
    [{ cfgScale: 1 }, 'INVALID_REQUEST', /^cfgScale: there is no such option/],
    [{ width: 15 }, 'INVALID_REQUEST', /^width: expected a multiple of 2 in 2..16384, got 15$/],
    [{ steps: 0 }, 'INVALID_REQUEST', /^steps: /],
    [{ latents: new Float32Array(3) }, 'INVALID_REQUEST', /^latents: .*1 x 3 x 16 x 16 = 768 values/],
    [{ sampler: 'magic' }, 'UNKNOWN_SAMPLER', /magic/],
  ];
  for (const [options, code, message] of cases) {
    await t.rejects(pipeline.generate(options), { code, message }, Object.keys(options)[0]);
  }
  await t.rejects(pipeline.generate(null as never), { code: 'INVALID_REQUEST', message: /^request: / });
  const aborted = pipeline.generate({ ...request, signal: AbortSignal.abort() });
  await t.rejects(aborted, { code: 'ABORTED', name: 'AbortError' });
});

t.test('each kind of model is sent to its own pipeline', async (t) => {
  const text = Pipeline.load(file);
  await t.rejects(text, {
    code: 'MISSING_COMPONENT',
    message: /unconditional.*load it with Pipeline\.unconditional\(\)/,
  });
  const noise = Pipeline.unconditional(networkPath('avatar.safetensors'));
  await t.rejects(noise, { code: 'MISSING_COMPONENT', message: /takes a prompt: load it with Pipeline\.load\(\)/ });
  const headless = writeAltered(
    networkPath('avatar.safetensors'),
    path.join(t.testdir(), 'headless.safetensors'),
    (header) => {
      for (const name of Object.keys(header)) if (name.startsWith('model.diffusion_model.')) delete header[name];
    },
  );
  await t.rejects(Pipeline.unconditional(headless), { code: 'MISSING_COMPONENT', message: /it has no UNet/ });
});

t.test('the embedded model', async (t) => {
  await using pipeline = await Pipeline.unconditional(undefined, { threads: 1 });
  t.equal(pipeline.info.family, 'ddpm');
  const side = pipeline.info.unet?.sampleSize ?? 0;
  t.ok(side >= 32, `${embeddedDdpmPath}: ${side} pixels`);
  const { images } = await pipeline.generate({ ...request, steps: 2 });
  t.match(images[0], { width: side, height: side }, 'as large as it was trained on');
});
