/** The story of a request, on the tiny model of the embedded one's architecture: prompts, batches, guidance, second passes. */
import path from 'node:path';
import t from 'tap';
import {
  createNoiseModel,
  type GenerationResult,
  Image,
  Pipeline,
  parseParameters,
  type Sampler,
  type StepEvent,
  type Txt2ImgRequest,
} from '../../lib/index';
import { relativeError, sameBytes } from '../support/compare';
import { networkPath } from '../support/safetensors';

const file = networkPath('avatar.safetensors');
const request = { prompt: 'a smiling woman', width: 32, height: 32, steps: 4, seed: 7, cfgScale: 4 } as const;

const pipeline = Pipeline.load(file, { threads: 1 });
t.teardown(async () => (await pipeline).dispose());

async function txt2img(options: Txt2ImgRequest): Promise<GenerationResult> {
  return (await pipeline).txt2img(options);
}

async function draw(options: Partial<Txt2ImgRequest> = {}): Promise<Uint8Array> {
  return (await txt2img({ ...request, ...options })).images[0].data;
}

t.test("the prompt's syntax reaches the picture", async (t) => {
  const plain = await draw();
  for (const prompt of ['a (smiling:1.4) woman', 'a smiling woman :0.5', 'a smiling woman AND a red hat :0.7']) {
    t.notOk(sameBytes(await draw({ prompt }), plain), prompt);
  }
  t.ok(sameBytes(await draw({ prompt: 'a smiling woman :1' }), plain), 'a weight of 1 is none');
  t.notOk(sameBytes(await draw({ clipSkip: 2 }), plain), 'clip skip');
  t.notOk(sameBytes(await draw({ negativePrompt: 'a (sad:1.3) man' }), plain));
});

t.test('editing a prompt is changing it between steps', async (t) => {
  const edited = await draw({ prompt: 'a [smiling:sad:2] woman' });
  const onStep = ({ step }: StepEvent) => (step === 2 ? { prompt: 'a sad woman' } : undefined);
  t.ok(sameBytes(await draw({ onStep }), edited), '[a:b:2] and a change after step 2');
  const alternating = await draw({ prompt: 'a [smiling|sad] woman' });
  const alternate = ({ step }: StepEvent) => ({ prompt: step % 2 ? 'a sad woman' : 'a smiling woman' });
  t.ok(sameBytes(await draw({ onStep: alternate }), alternating), '[a|b] and a change after each step');
  await t.rejects(draw({ onStep: () => ({ cfgScale: -1 }) }), { code: 'INVALID_REQUEST', message: /^cfgScale/ });
});

t.test('AND adds the guidance of its prompts', async (t) => {
  const { model, tokenizer } = await pipeline;
  const texts = ['a smiling woman', 'a red hat', 'a sad man'];
  const ids = Int32Array.from(texts.flatMap((text) => [...tokenizer.encodePrompt(text).ids]));
  const context = await model.createContext(await model.encodeText(ids, 3), 3);
  let seen: { x: Float32Array; sigma: number; denoised: Float32Array } | undefined;
  const watch: Sampler = async function* (denoise, x, [sigma]) {
    const denoised = await denoise(x, sigma);
    seen = { x, sigma, denoised };
    yield { x: denoised, denoised };
  };
  await draw({
    prompt: 'a smiling woman AND a red hat :0.5',
    negativePrompt: texts[2],
    sampler: watch,
    schedule: [2, 0],
  });
  const { x, sigma, denoised } = seen!;
  const rms = Math.sqrt(sigma ** 2 + 1);
  const { betaStart, betaEnd, trainSteps } = model.info.prediction;
  const levels = createNoiseModel({ betaSchedule: 'scaled_linear', betaStart, betaEnd, trainSteps });
  const scaled = x.map((value) => value / rms);
  const rows = await model.predictNoise(scaled, [1, 4, 8, 8], levels.sigmaToTimestep(sigma), context);
  const [a, b, u] = [0, 1, 2].map((row) => rows.subarray(row * x.length, (row + 1) * x.length));
  const velocity = u.map((value, i) => value + 4 * (a[i] - value + 0.5 * (b[i] - value)));
  const expected = x.map((value, i) => value / (sigma ** 2 + 1) - (sigma / rms) * velocity[i]);
  const error = relativeError(denoised, expected);
  t.ok(error < 1e-5, `${error}`);
  context.dispose();
});

t.test('long prompts lose nothing', async (t) => {
  const long = Array(40).fill('a happy man with a hat').join(', ');
  const one = await draw({ prompt: long });
  t.notOk(sameBytes(await draw({ prompt: `${long}, sad` }), one), 'the last word counts');
});

t.test('what the text encoder made is remembered', async (t) => {
  const { model } = await pipeline;
  await draw({ prompt: 'a winking person' });
  const { encodeTextSeconds } = await model.stats();
  await draw({ prompt: 'a winking person', seed: 8 });
  t.equal((await model.stats()).encodeTextSeconds, encodeTextSeconds);
});

t.test('several prompts, each with the bytes that it has alone', async (t) => {
  const long = Array(30).fill('a happy man').join(', ');
  const prompt = ['a smiling woman', long, 'a red hat AND a sad man :0.5', 'a [sad|happy] man'];
  const negativePrompt = ['', 'ugly', 'a hat', ''];
  const { images, seeds } = await txt2img({ ...request, prompt, negativePrompt, batchSize: 2, sampler: 'euler_a' });
  t.equal(images.length, 8);
  t.strictSame(seeds, [7, 8, 9, 10, 11, 12, 13, 14]);
  for (const [i, text] of prompt.entries()) {
    const alone = { ...request, prompt: text, negativePrompt: negativePrompt[i], sampler: 'euler_a' } as const;
    for (const n of [0, 1]) {
      const [picture] = (await txt2img({ ...alone, seed: 7 + 2 * i + n })).images;
      t.ok(sameBytes(picture.data, images[2 * i + n].data), `prompt ${i}, picture ${n}`);
      t.equal(picture.parameters, images[2 * i + n].parameters);
    }
  }
  await t.rejects(txt2img({ ...request, prompt, batchSize: 17 }), {
    code: 'INVALID_REQUEST',
    message: /^batchSize: .*1..16/,
  });
});

t.test('guidance has its interval and its rescaling', async (t) => {
  const [guided, plain] = [await draw(), await draw({ cfgScale: 1 })];
  t.ok(sameBytes(await draw({ guidanceInterval: [0, 1e6] }), guided), 'all levels');
  t.ok(sameBytes(await draw({ guidanceInterval: [1e5, 1e6] }), plain), 'no level');
  const some = await draw({ guidanceInterval: [0.5, 5] });
  t.notOk(sameBytes(some, guided) || sameBytes(some, plain), 'some levels');
  t.notOk(sameBytes(await draw({ cfgRescale: 0.7 }), guided), 'rescaled');
  t.ok(
    sameBytes(await draw({ cfgRescale: 0.7, cfgScale: 1 }), plain),
    'where there is no guidance there is nothing to rescale',
  );
});

t.test('perturbed-attention guidance', async (t) => {
  const [guided, perturbed] = [await draw(), await draw({ pagScale: 3 })];
  t.notOk(sameBytes(perturbed, guided));
  t.ok(sameBytes(await draw({ pagScale: 3, guidanceInterval: [1e5, 1e6] }), await draw({ cfgScale: 1 })), 'no level');
  const { images } = await txt2img({ ...request, batchSize: 2, pagScale: 3 });
  t.ok(sameBytes(images[0].data, perturbed), 'in a batch as alone');
  const skipped = { pagScale: 2.5, pagLayers: ['mid', 'up.0'], pagMethod: 'skip' } as const;
  const { parameters, data } = (await txt2img({ ...request, ...skipped })).images[0];
  t.match(parameters, /PAG Active: True, PAG Scale: 2.5, PAG Layers: mid up.0, PAG Method: skip/);
  const read = parseParameters(parameters!);
  t.strictSame(Object.keys(read.unknown), ['Model']);
  t.match(read.request, skipped);
  t.ok(sameBytes((await txt2img(read.request)).images[0].data, data), 'drawn again by what is read back');
  await t.rejects(txt2img({ ...request, pagScale: 1, pagLayers: ['down.7'] }), {
    code: 'INVALID_REQUEST',
    message: /^pagLayers: expected of this model's down.0, .*mid, .*up.2, got 'down.7'$/,
  });
});

t.test('prompts of as many lengths as there are passes', async (t) => {
  const prompt = Array.from({ length: 10 }, (_, i) =>
    Array(i + 1)
      .fill('a man')
      .join(' BREAK '),
  );
  for (const pagScale of [0, 1]) {
    const { images } = await txt2img({ ...request, prompt, pagScale, steps: 2 });
    t.ok(sameBytes(images[9].data, await draw({ prompt: prompt[9], pagScale, steps: 2, seed: 16 })), `${pagScale}`);
  }
});

t.test('CFG++ steps with the unconditional prediction', async (t) => {
  const pair: Sampler = async function* (_denoise, x, sigmas, { denoisePair }) {
    let current = x;
    for (let i = 0; i + 1 < sigmas.length; i++) {
      const { denoised, unconditional } = await denoisePair!(current, sigmas[i]);
      const ratio = sigmas[i + 1] / sigmas[i];
      current = current.map((value, j) => denoised[j] + ratio * (value - unconditional[j]));
      yield { x: current, denoised };
    }
  };
  for (const cfgScale of [0.6, 1]) {
    const own = await draw({ sampler: pair, cfgScale });
    t.ok(sameBytes(await draw({ sampler: 'euler_cfg_pp', cfgScale }), own), `lambda ${cfgScale}`);
    t.notOk(sameBytes(await draw({ sampler: 'euler', cfgScale }), own));
  }
  const { cfgScale: _, ...open } = request;
  const { images } = await txt2img({ ...open, sampler: 'euler_cfg_pp' });
  t.ok(sameBytes(images[0].data, await draw({ sampler: 'euler_cfg_pp', cfgScale: 0.6 })), '0.6 by default');
});

t.test('variations lie between the pictures of two seeds', async (t) => {
  const [one, other] = [await draw({ seed: 1 }), await draw({ seed: 2 })];
  t.ok(sameBytes(await draw({ seed: 1, subseed: 2, subseedStrength: 0 }), one));
  t.ok(sameBytes(await draw({ seed: 1, subseed: 2, subseedStrength: 1 }), other));
  const varied = await txt2img({
    ...request,
    seed: 1,
    subseed: 2,
    subseedStrength: 0.2,
    batchSize: 2,
  });
  t.strictSame(varied.seeds, [1, 1]);
  t.match(varied.images[1].parameters, /Seed: 1, .*Variation seed: 3, Variation seed strength: 0.2/);
  const far = (a: Uint8Array, b: Uint8Array) => a.reduce((sum, value, i) => sum + Math.abs(value - b[i]), 0);
  t.ok(far(varied.images[0].data, one) < far(varied.images[0].data, other), 'near the seed that has more of the noise');
});

t.test('a second pass draws over the enlarged picture', async (t) => {
  for (const upscaler of ['latents', 'pixels'] as const) {
    const heard: [number, number, number][] = [];
    const onStep = ({ step, steps, shape }: StepEvent) => void heard.push([step, steps, shape[3]]);
    const hires = { scale: 1.6, upscaler, strength: 0.5, steps: 6 };
    const { images } = await txt2img({ ...request, hires, batchSize: 2, onStep });
    t.match(images[1], { width: 52, height: 52 }, upscaler);
    t.match(
      images[1].parameters,
      /Size: 32x32.*Denoising strength: 0.5, Hires upscale: 1.6, Hires steps: 6, Hires upscaler: L/,
    );
    t.strictSame(
      heard,
      [1, 2, 3, 4, 5, 6, 7].map((step) => [step, 7, step <= 4 ? 8 : 13]),
    );
    const again = await txt2img({ ...request, hires, seed: 8 });
    t.ok(sameBytes(again.images[0].data, images[1].data), 'alone and in a batch');
  }
  const refused: [object, RegExp][] = [
    [{ scale: 9 }, /^hires.scale: expected a number in 1..8, got 9$/],
    [{ strength: 0.1 }, /^hires.strength: expected at least 1 \/ 4/],
    [{ upscaler: 'esrgan' }, /^hires.upscaler: expected one of latents, pixels/],
    [{ size: 2 }, /^size: there is no such option/],
  ];
  for (const [hires, message] of refused) {
    await t.rejects(txt2img({ ...request, hires }), { code: 'INVALID_REQUEST', message });
  }
});

const picture = new Image(
  32,
  32,
  Uint8Array.from({ length: 3072 }, (_, i) => (i * 7) % 256),
);

t.test('img2img takes the last steps, and the less of them the nearer it stays', async (t) => {
  const { model } = await pipeline;
  const steps: number[] = [];
  const drawn = async (strength: number) => {
    const onStep = ({ step }: StepEvent) => void steps.push(step);
    const asked = { ...request, steps: 10, image: picture, strength, onStep };
    return (await (await pipeline).img2img(asked)).images[0];
  };
  await drawn(0.35);
  t.strictSame(steps, [1, 2, 3]);
  // What the VAE makes of the picture is where a strength of nothing would lead.
  const planes = Float32Array.from(
    { length: 3072 },
    (_, i) => picture.data[3 * (i % 1024) + Math.floor(i / 1024)] / 127.5 - 1,
  );
  const latents = await model.encodeImage(planes, [1, 3, 32, 32]);
  const back = await model.decodeLatents(latents, [1, 4, 8, 8]);
  const far = ({ data }: Image) =>
    back.reduce(
      (sum, value, i) => sum + Math.abs((value + 1) * 127.5 - data[3 * (i % 1024) + Math.floor(i / 1024)]),
      0,
    );
  const [little, much] = [await drawn(0.1), await drawn(1)];
  t.ok(far(little) < far(much) / 4, `${far(little)} and ${far(much)}`);
  t.match(little.parameters, /Denoising strength: 0.1/);
});

t.test('outpainting keeps the picture where the overlap ends', async (t) => {
  const { width: _w, height: _h, ...rest } = request;
  const { images } = await (await pipeline).outpaint({ ...rest, image: picture, right: 16, overlap: 4 });
  t.match(images[0], { width: 48, height: 32 });
  const { data } = images[0];
  let kept = 0;
  for (let y = 0; y < 32; y++) {
    for (let i = 0; i < 3 * 28; i++) kept += Number(data[y * 144 + i] === picture.data[y * 96 + i]);
  }
  t.equal(kept, 32 * 28 * 3);
  const added = new Set(Array.from({ length: 32 }, (_, y) => data.subarray(y * 144 + 96, y * 144 + 144).join()));
  t.ok(added.size > 20, 'the rest is drawn');
});

t.test('an inpainting model draws without a mask too', async (t) => {
  const inpainting = path.resolve(__dirname, '..', 'fixtures', 'tasks', 'inpainting.safetensors');
  await using own = await Pipeline.load(inpainting, { threads: 1 });
  const { images } = await own.txt2img({ ...request, batchSize: 2 });
  t.ok(sameBytes((await own.txt2img({ ...request, seed: 8 })).images[0].data, images[1].data), 'alone and in a batch');
  t.match((await own.img2img({ ...request, image: picture })).images[0], { width: 32, height: 32 });
  const mask = new Image(32, 32, new Uint8Array(3072).fill(255, 1536));
  const masked = { ...request, image: picture, mask, prompt: ['a sad man', 'a red hat'] };
  const both = (await own.inpaint(masked)).images;
  const second = (await own.inpaint({ ...masked, prompt: 'a red hat', seed: 8 })).images[0];
  t.ok(sameBytes(second.data, both[1].data), 'several prompts');
  t.ok(sameBytes(both[0].data.subarray(0, 1536), picture.data.subarray(0, 1536)), 'what is black is kept');
});

t.test('a blurred mask mixes at its edge', async (t) => {
  const mask = new Image(32, 32, new Uint8Array(3072).fill(255, 1536));
  const paint = async (maskBlur: number) =>
    (await (await pipeline).inpaint({ ...request, image: picture, mask, maskBlur })).images[0];
  const [hard, soft] = [await paint(0), await paint(1)];
  const row = (image: Image, y: number) => image.data.subarray(96 * y, 96 * (y + 1));
  t.ok(sameBytes(row(hard, 15), row(picture, 15)), 'hard: black rows are the original');
  t.notOk(sameBytes(row(soft, 15), row(picture, 15)), 'soft: the last one is not quite');
  t.ok(sameBytes(row(soft, 2), row(picture, 2)), 'soft: far rows are');
  t.match(soft.parameters, /Mask blur: 1/);
});
