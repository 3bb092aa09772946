/** Requests with ControlNets against diffusers' pipelines; batches, prompts and second passes; saved runs. */
import path from 'node:path';
import t, { type Test } from 'tap';
import {
  ControlNet,
  type ControlOptions,
  Image,
  Pipeline,
  type SamplerName,
  type ScheduleName,
  type Txt2ImgRequest,
} from '../../lib/index';
import { sameBytes } from '../support/compare';
import { networkPath, readFixture } from '../support/safetensors';

const fixture = (name: string) => path.resolve(__dirname, '..', 'fixtures', 'control', name);
const reference = readFixture(fixture('control.ref.safetensors'));
const { prompts, seed, steps, cfgScale, side, pictures, runs } = reference.facts as {
  prompts: [string, string];
  seed: number;
  steps: number;
  cfgScale: number;
  side: number;
  pictures: { levels: number; share: number };
  runs: Run[];
};

interface Run {
  name: string;
  sampler: SamplerName;
  schedule: ScheduleName;
  nets: ('edges' | 'depth')[];
  weights: number[];
  start: number[];
  end: number[];
  guess?: boolean;
  strength?: number;
}

const bytes = (name: string) => new Uint8Array(reference.i32(name).data.buffer);
const image = (name: string) => new Image(side, side, bytes(`pixels.${name}`));
const [prompt, negativePrompt] = prompts;

async function loadAll(t: Test, precision = 'f32') {
  const options = { threads: 1, precision };
  const pipeline = await Pipeline.load(networkPath('avatar.safetensors'), options);
  const edges = await ControlNet.load(fixture('edges.safetensors'), options);
  const depth = await ControlNet.load(fixture('depth.safetensors'), options);
  t.teardown(() => Promise.all([pipeline.dispose(), edges.dispose(), depth.dispose()]));
  return { pipeline, edges, depth };
}

t.test("as diffusers' pipelines draw", async (t) => {
  const { pipeline, ...nets } = await loadAll(t);
  for (const { name, sampler, schedule, strength, guess, ...run } of runs) {
    const control = run.nets.map((net, i) => ({
      ...{ net: nets[net], image: image(net), weight: run.weights[i], start: run.start[i], end: run.end[i] },
      mode: guess ? ('control' as const) : ('balanced' as const),
    }));
    const common = { prompt, negativePrompt, steps, cfgScale, sampler, schedule, seed, rng: 'torch', control } as const;
    const { images } = strength
      ? await pipeline.img2img({ ...common, image: image('image'), strength })
      : await pipeline.txt2img({ ...common, width: side, height: side });
    const wanted = bytes(name);
    const near = images[0].data.filter((value, i) => Math.abs(value - wanted[i]) <= pictures.levels).length;
    t.ok(
      near / wanted.length >= pictures.share,
      `${name}: ${((100 * near) / wanted.length).toFixed(2)} % within 1/255`,
    );
  }
});

t.test('what a control is does not depend on company', async (t) => {
  const { pipeline, edges } = await loadAll(t, 'auto');
  const control = [{ net: edges, image: image('edges') }];
  const request = {
    prompt: 'a smiling woman',
    width: side,
    height: side,
    steps: 3,
    seed: 7,
    cfgScale: 4,
    control,
  } as const;
  const draw = async (more: Partial<Txt2ImgRequest> = {}) =>
    (await pipeline.txt2img({ ...request, ...more })).images.map(({ data }) => data);
  const [alone] = await draw();
  const [, second] = await draw({ prompt: 'a sad man', batchSize: 2 });
  const both = await draw({ prompt: ['a smiling woman', 'a sad man'], batchSize: 2, seed: 7 });
  t.ok(sameBytes(both[0], alone), 'several prompts in a batch');
  t.ok(sameBytes((await draw({ prompt: 'a sad man', seed: 8 }))[0], second), 'a batch');
  const [plain] = await draw({ control: [] });
  t.notOk(sameBytes(plain, alone));
  t.ok(sameBytes((await draw({ control: [{ ...control[0], weight: 0 }] }))[0], plain), 'a weight of 0 is none');
  const together = await Promise.all([draw(), draw({ control: [] }), draw()]);
  t.ok(sameBytes(together[0][0], alone) && sameBytes(together[2][0], alone), 'requests in flight together');
  t.ok(sameBytes(together[1][0], plain), 'and one without');
  for (const mode of ['prompt', 'control'] as const) {
    t.notOk(sameBytes((await draw({ control: [{ ...control[0], mode }] }))[0], alone), mode);
  }
  t.notOk(sameBytes((await draw({ pagScale: 2 }))[0], alone), 'with perturbed attention');
  t.equal((await draw({ prompt: 'a [smiling|sad] woman AND a hat' })).length, 1);
  const hires = await pipeline.txt2img({ ...request, hires: { scale: 2, strength: 0.5 } });
  t.match(hires.images[0], { width: 2 * side, height: 2 * side });
  const mask = new Image(side, side, new Uint8Array(3 * side * side).fill(255));
  const inpainted = await pipeline.inpaint({ ...request, image: image('image'), mask });
  t.equal(inpainted.images.length, 1);
});

t.test('a UNet of nine channels', async (t) => {
  const inpainting = path.resolve(__dirname, '..', 'fixtures', 'tasks', 'inpainting.safetensors');
  const pipeline = await Pipeline.load(inpainting, { threads: 1 });
  t.teardown(() => pipeline.dispose());
  const { edges } = await loadAll(t);
  const control = [{ net: edges, image: image('edges') }];
  await t.rejects(pipeline.txt2img({ prompt: 'x', width: side, height: side, control }), {
    code: 'INVALID_REQUEST',
    message: /^control\[0\]\.net: expected one for this model/,
  });
});

t.test('a saved run holds its controls, and is given the nets again', async (t) => {
  const { pipeline, edges, depth } = await loadAll(t);
  const control = [
    { net: edges, image: image('edges'), weight: 0.7 },
    { net: depth, image: image('depth'), end: 0.8 },
  ];
  const request = { prompt: 'a smiling woman', width: side, height: side, steps: 4, seed: 7, control } as const;
  const whole = (await pipeline.txt2img(request)).images[0].data;
  const run = pipeline.steps(request);
  await run.next();
  await run.next();
  const saved = run.save();
  await run.return();
  t.throws(() => pipeline.resume(saved), { code: 'INVALID_REQUEST', message: /^control/ });
  for await (const step of pipeline.resume(saved, { control })) {
    if (step.step === step.steps) t.ok(sameBytes((await step.decode())[0].data, whole));
  }
});

t.test('what is refused before any work', async (t) => {
  const { pipeline, edges } = await loadAll(t);
  const fine = { net: edges, image: image('edges') };
  const refused = async (control: unknown, message: RegExp) =>
    t.rejects(pipeline.txt2img({ prompt: 'x', width: 32, height: 32, control: control as ControlOptions[] }), {
      code: 'INVALID_REQUEST',
      message,
    });
  await refused(fine, /^control: expected a list/);
  await refused([{ ...fine, net: pipeline.model }], /^control\[0\]\.net: expected a ControlNet/);
  await refused([fine, { ...fine, image: 'edges.png' }], /^control\[1\]\.image: expected an Image/);
  await refused([{ ...fine, weight: -1 }], /^control\[0\]\.weight/);
  await refused([{ ...fine, start: 0.6, end: 0.5 }], /^control\[0\]\.end: expected a number in 0\.6\.\.1/);
  await refused([{ ...fine, mode: 'guess' }], /^control\[0\]\.mode/);
  await refused([{ ...fine, strength: 1 }], /^strength: there is no such option/);
  await t.rejects(Pipeline.load(fixture('edges.safetensors')), { code: 'MISSING_COMPONENT', message: /a ControlNet/ });
});
