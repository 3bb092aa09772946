/** Whole requests through Pipeline, on the tiny model of the embedded one's architecture. */
import t from 'tap';
import { Image, Pipeline, type Sampler, type Schedule } from '../../lib/index';
import { sameBytes } from '../support/compare';
import { networkPath } from '../support/safetensors';

const file = networkPath('avatar.safetensors');
const request = { prompt: 'a smiling woman with red hair', width: 32, height: 32, steps: 4, seed: 7, cfgScale: 4 };

t.test('a request gives pictures with their parameters', async (t) => {
  await using pipeline = await Pipeline.load(file, { threads: 1 });
  const { images, seeds } = await pipeline.txt2img({ ...request, batchSize: 2 });
  t.equal(images.length, 2);
  t.strictSame(seeds, [7, 8]);
  t.ok(images[0] instanceof Image);
  t.equal(images[0].data.length, 32 * 32 * 3);
  t.match(images[1].parameters, /a smiling woman with red hair\nSteps: 4, Sampler: DPM\+\+ 2M, .*Seed: 8, Size: 32x32/);
  t.notOk(sameBytes(images[0].data, images[1].data), 'other seeds give other pictures');
});

t.test('the same request gives the same bytes, whatever the threads and the batch', async (t) => {
  for (const sampler of ['dpmpp_2m', 'euler_a'] as const) {
    await using one = await Pipeline.load(file, { threads: 1 });
    await using two = await Pipeline.load(file, { threads: 2 });
    const alone = (await one.txt2img({ ...request, sampler, seed: 9 })).images[0].data;
    const again = (await one.txt2img({ ...request, sampler, seed: 9 })).images[0].data;
    const threaded = (await two.txt2img({ ...request, sampler, seed: 9 })).images[0].data;
    const inBatch = (await two.txt2img({ ...request, sampler, seed: 7, batchSize: 3 })).images[2].data;
    t.ok(sameBytes(alone, again), `${sampler}: twice`);
    t.ok(sameBytes(alone, threaded), `${sampler}: one thread and two`);
    t.ok(sameBytes(alone, inBatch), `${sampler}: alone and third of a batch`);
  }
});

t.test('steps and onStep tell of every step', async (t) => {
  await using pipeline = await Pipeline.load(file, { threads: 1 });
  const heard: number[] = [];
  const { images } = await pipeline.txt2img({ ...request, onStep: ({ step, steps }) => void heard.push(step / steps) });
  t.strictSame(heard, [0.25, 0.5, 0.75, 1]);

  const sigmas: number[] = [];
  let preview: Image[] = [];
  let last: Image[] = [];
  for await (const step of pipeline.steps(request)) {
    sigmas.push(step.sigma);
    if (step.step === 1) preview = await step.decode();
    last = await step.decode();
  }
  t.equal(sigmas.length, 4);
  t.equal(sigmas[3], 0);
  t.ok(sameBytes(last[0].data, images[0].data), 'the last step decodes to what txt2img returns');
  t.notOk(sameBytes(preview[0].data, images[0].data), 'a preview is another picture');

  await t.rejects(
    pipeline.txt2img({ ...request, onStep: () => Promise.reject(new Error('mine')) }),
    { message: 'mine' },
    'what onStep throws ends the request',
  );
});

t.test("a user's own sampler and schedule stand in for names", async (t) => {
  await using pipeline = await Pipeline.load(file, { threads: 1 });
  const seen: number[][] = [];
  const mySampler: Sampler = async function* (denoise, x, sigmas) {
    seen.push([...sigmas]);
    for (const sigma of sigmas.slice(0, -1)) yield { x: await denoise(x, sigma), denoised: x };
  };
  const mySchedule: Schedule = (steps, model) => [
    model.sigmaMax,
    ...Array.from({ length: steps - 1 }, (_, i) => 1 / (i + 1)),
    0,
  ];
  const { images } = await pipeline.txt2img({ ...request, sampler: mySampler, schedule: mySchedule });
  t.equal(images.length, 1);
  t.match(images[0].parameters, /Sampler: mySampler/);
  t.strictSame(seen[0].slice(1), [1, 1 / 2, 1 / 3, 0]);
  await pipeline.txt2img({ ...request, sampler: mySampler, schedule: [10, 1, 0] });
  t.strictSame(seen[1], [10, 1, 0]);
  const nothing: Sampler = async function* () {};
  await t.rejects(pipeline.txt2img({ ...request, sampler: nothing }), {
    code: 'INVALID_REQUEST',
    message: /^sampler: expected it to yield as many steps as there are sigmas, less one: 4, got 0$/,
  });
});

t.test('an abort ends a request between steps and inside one', async (t) => {
  await using pipeline = await Pipeline.load(file, { threads: 1 });
  const reason = new Error('enough');
  await t.rejects(pipeline.txt2img({ ...request, signal: AbortSignal.abort(reason) }), {
    code: 'ABORTED',
    name: 'AbortError',
    cause: reason,
  });

  const cancel = new AbortController();
  const steps: number[] = [];
  const aborted = pipeline.txt2img({
    ...request,
    steps: 50,
    signal: cancel.signal,
    onStep: ({ step }) => {
      steps.push(step);
      if (step === 2) setImmediate(() => cancel.abort(reason)); // the third step has begun by then
    },
  });
  await t.rejects(aborted, { code: 'ABORTED', cause: reason });
  t.ok(steps.length >= 2 && steps.length < 50, `ended after ${steps.length} steps`);
  t.equal((await pipeline.txt2img(request)).images.length, 1, 'the pipeline goes on to work');
});

t.test('requests at once are served one after the other', async (t) => {
  await using pipeline = await Pipeline.load(file, { threads: 1 });
  const alone = (await pipeline.txt2img(request)).images[0].data;
  const other = { ...request, prompt: 'a sad man', seed: 8 };
  const [a, b] = await Promise.all([pipeline.txt2img(request), pipeline.txt2img(other)]);
  t.ok(sameBytes(a.images[0].data, alone), 'undisturbed by the other');
  t.ok(sameBytes(b.images[0].data, (await pipeline.txt2img(other)).images[0].data));
});

t.test('of many requests one of high priority overtakes the others at the next step', async (t) => {
  await using pipeline = await Pipeline.load(file, { threads: 1 });
  const [steps, log, done] = [6, [] as number[], [] as number[]];
  const asks = Array.from({ length: 32 }, async (_, i) => {
    const priority = i === 31 ? 1 : undefined;
    const size = { width: 16, height: 16, steps };
    await pipeline.txt2img({ ...request, ...size, seed: i, priority, onStep: () => void log.push(i) });
    done.push(i);
  });
  await Promise.all(asks);
  const first = log.indexOf(31);
  t.strictSame(log.slice(first, first + steps), Array(steps).fill(31), 'its steps follow each other');
  t.equal(done[0], 31);
  t.equal(done.length, 32);
  await t.rejects(pipeline.txt2img({ ...request, priority: 'high' as never }), { code: 'INVALID_REQUEST' });
});

t.test('dispose ends what runs, and is harmless when repeated', async (t) => {
  const pipeline = await Pipeline.load(file, { threads: 1 });
  const running = pipeline.txt2img({ ...request, steps: 200 });
  running.catch(() => {});
  await new Promise((resolve) => setTimeout(resolve, 20));
  await pipeline.dispose();
  await t.rejects(running, { code: 'DISPOSED' });
  await t.rejects(pipeline.txt2img(request), { code: 'DISPOSED' });
  await pipeline.dispose();
});

t.test('a model without what a pipeline needs is refused', async (t) => {
  await t.rejects(
    Pipeline.load(networkPath('sd1.safetensors')),
    { code: 'INVALID_VOCABULARY' },
    'another vocabulary size',
  );
  const lone = Pipeline.load(networkPath('wide', 'unet', 'diffusion_pytorch_model.safetensors'));
  await t.rejects(lone, { name: 'DiffusionError', code: /UNKNOWN_ARCHITECTURE|MISSING_COMPONENT/ }, 'a UNet alone');
});

t.test('a budget too small for a whole picture decodes in tiles', async (t) => {
  await using whole = await Pipeline.load(file, { threads: 1 });
  await using tiled = await Pipeline.load(file, { threads: 1, memoryBudgetBytes: 2_500_000 });
  const large = { ...request, width: 256, height: 192, steps: 1, schedule: [1, 0] };
  const latents = new Float32Array(4 * 64 * 48).map((_, i) => Math.sin(i));
  for (const { model } of [whole, tiled]) await model.decodeLatents(latents, [1, 4, 48, 64]);
  const stats = [(await whole.model.stats()).computeBytes, (await tiled.model.stats()).computeBytes];
  t.ok(stats[1] < stats[0], `compute buffers: ${stats[1]} < ${stats[0]} bytes`);
  const a = (await whole.txt2img(large)).images[0].data;
  const b = (await tiled.txt2img(large)).images[0].data;
  t.notOk(sameBytes(a, b), 'tiles see less of the picture');
  const difference = a.reduce((sum, value, i) => sum + Math.abs(value - b[i]), 0) / a.length;
  t.ok(difference < 12, `but close to the whole: mean difference ${difference.toFixed(2)} of 255`);
});
