/** Whole requests to models of more families: Stable Diffusion XL against diffusers' pipeline, and all tasks with each. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import t, { type Test } from 'tap';
import { Image } from '../../lib/image/image';
import { parseInfotext } from '../../lib/image/parse-infotext';
import { embeddedModelPath, Pipeline } from '../../lib/pipeline/pipeline';
import { noiseModelOf } from '../../lib/pipeline/sample';
import { leadingSchedule } from '../../lib/sampling/schedules';
import { largestDifference, sameBytes } from '../support/compare';
import { toCompVis } from '../support/compvis';
import { configOf, familyParts, type ModelParts, writeFolder, writeTensors } from '../support/model-files';
import { networkPath, readFixture } from '../support/safetensors';

const folder = mkdtempSync(path.join(tmpdir(), 'node-diffusion-'));
t.teardown(() => rmSync(folder, { recursive: true }));

const parts: Record<string, ModelParts> = {
  sdxl: familyParts('sdxl', ['vae', 'text_encoder', 'text_encoder_2']),
  refiner: familyParts('refiner', ['vae', 'text_encoder_2']),
  ssd: familyParts('ssd', ['vae', 'text_encoder', 'text_encoder_2']),
  lcm: familyParts('lcm', ['vae', 'text_encoder']),
  bk: familyParts('bk', ['vae', 'text_encoder']),
};
const compVis = (name: string) => {
  const tensors = toCompVis(parts[name].tensors, configOf(parts[name]).unet.layers_per_block);
  return writeTensors(path.join(folder, `${name}.safetensors`), { ...parts[name], tensors });
};
const load = (t: Test, file: string, precision = 'f32') =>
  Pipeline.load(file, { threads: 1, precision }).then((pipeline) => {
    t.teardown(() => pipeline.dispose());
    return pipeline;
  });

const reference = readFixture(networkPath('sdxl.ref.safetensors'));
const { prompt, negative_prompt: negativePrompt, steps, cfg_scale: cfgScale, sizes } = reference.facts;
const [[originalHeight, originalWidth], [top, left], [targetHeight, targetWidth]] = sizes;
const sized = {
  originalSize: { width: originalWidth, height: originalHeight },
  cropTopLeft: { top, left },
  targetSize: { width: targetWidth, height: targetHeight },
};

for (const form of ['a single file', 'a folder']) {
  t.test(`diffusers' StableDiffusionXLPipeline draws the same: ${form}`, async (t) => {
    const file = form === 'a folder' ? writeFolder(path.join(folder, 'sdxl'), parts.sdxl) : compVis('sdxl');
    const pipeline = await load(t, file);
    const [first] = leadingSchedule(steps, noiseModelOf(pipeline.info.prediction));
    const latents = reference.f32('start').data.map((value) => value * Math.sqrt(first ** 2 + 1));
    const common = { prompt, steps, cfgScale, sampler: 'ddim', schedule: 'leading', latents } as const;
    const compare = async (request: object, wanted: string) => {
      const { images } = await pipeline.txt2img({ ...common, ...request });
      const expected = reference.f32(wanted).data;
      const near = images[0].data.filter((byte, i) => Math.abs(byte - Math.round(255 * expected[i])) <= 1).length;
      t.ok(near >= 0.999 * expected.length, `${wanted}: ${near} of ${expected.length} values within 1/255`);
      t.equal(images[0].data.length, expected.length);
    };
    await compare({ negativePrompt, ...sized }, 'negative.image');
    await compare({}, 'zeros.image');
  });
}

t.test('base and refiner draw together what they draw in diffusers', async (t) => {
  const [base, refiner] = [await load(t, compVis('sdxl')), await load(t, compVis('refiner'))];
  const [first] = leadingSchedule(steps, noiseModelOf(base.info.prediction));
  const latents = reference.f32('start').data.map((value) => value * Math.sqrt(first ** 2 + 1));
  const expected = readFixture(networkPath('refiner.ref.safetensors')).f32('ensemble.image').data;
  const stepping = { steps, sampler: 'ddim', schedule: 'leading' } as const;
  const request = { prompt, negativePrompt, cfgScale, ...stepping, refiner: { pipeline: refiner } };
  const heard: number[] = [];
  const onStep = ({ step, steps: all }: { step: number; steps: number }) => void heard.push(step, all);
  const { images } = await base.txt2img({ ...request, latents, onStep });
  const near = images[0].data.filter((byte, i) => Math.abs(byte - Math.round(255 * expected[i])) <= 1).length;
  t.ok(near >= 0.999 * expected.length, `${near} of ${expected.length} values within 1/255`);
  t.strictSame(heard, Array.from({ length: steps }, (_, i) => [i + 1, steps]).flat());
  t.match(images[0].parameters, /Refiner: refiner, Refiner switch at: 0.8/);

  const ancestral = { ...request, sampler: 'euler_a', seed: 4 } as const;
  const drawn = (await base.txt2img(ancestral)).images[0].data;
  for (const before of [3, 9]) {
    const run = base.steps(ancestral);
    for (let i = 0; i < before; i++) await run.next();
    const saved = run.save();
    await run.return();
    t.throws(() => base.resume(saved), {
      code: 'INVALID_REQUEST',
      message: /^refiner: expected that of the saved run/,
    });
    let last: Image | undefined;
    for await (const step of base.resume(saved, { refiner: { pipeline: refiner } })) last = (await step.decode())[0];
    t.ok(sameBytes(drawn, last!.data), `taken up after step ${before}`);
  }
  const scored = await base.txt2img({ ...ancestral, aestheticScore: 1 });
  t.notOk(sameBytes(drawn, scored.images[0].data), 'the refiner sees the score');
  const [image, mask] = [images[0], new Image(32, 32, new Uint8Array(32 * 32 * 3).fill(255, 0, 32 * 16 * 3))];
  const painted = (await base.inpaint({ ...ancestral, image, mask })).images[0].data;
  t.ok(sameBytes(painted.slice(32 * 16 * 3), image.data.slice(32 * 16 * 3)), 'what is black stays');

  const refused: [object, RegExp][] = [
    [{ refiner: 5 }, /^refiner: expected an object with a pipeline, got 5$/],
    [{ refiner: {} }, /^refiner.pipeline: expected a Pipeline, got undefined$/],
    [{ refiner: { pipeline: refiner, switchAt: 1 } }, /^refiner.switchAt: .*, got 1$/],
    [{ refiner: { pipeline: refiner, at: 1 } }, /^at: there is no such option/],
  ];
  for (const [options, message] of refused) {
    await t.rejects(base.txt2img({ prompt, ...options } as never), { code: 'INVALID_REQUEST', message });
  }
});

t.test('an empty negative prompt means zeros where the pipeline says so', async (t) => {
  const says = writeFolder(path.join(folder, 'empty'), parts.sdxl, { force_zeros_for_empty_prompt: false });
  const [zeros, encoded] = [await load(t, compVis('sdxl')), await load(t, says)];
  t.equal(encoded.info.zeroEmptyNegative, false);
  const request = { prompt, steps: 1, seed: 1 };
  const bytes = async (pipeline: Pipeline, more = {}) =>
    (await pipeline.txt2img({ ...request, ...more })).images[0].data;
  t.notOk(sameBytes(await bytes(zeros), await bytes(encoded)));
  t.ok(sameBytes(await bytes(zeros, { negativePrompt: 'bad' }), await bytes(encoded, { negativePrompt: 'bad' })));
});

t.test('all tasks, several prompts, AND, long prompts; requests in flight do not change each other', async (t) => {
  for (const name of ['sdxl', 'ssd']) {
    const pipeline = await load(t, compVis(name), 'auto');
    const base = { prompt: 'a smiling woman', steps: 2, seed: 7 } as const;
    const { images } = await pipeline.txt2img(base);
    t.same([images[0].width, images[0].height], [32, 32], 'as large as the model was trained on');
    const several = await pipeline.txt2img({
      ...base,
      prompt: ['a man AND a hat :0.5', 'a woman '.repeat(60)],
      batchSize: 2,
    });
    t.equal(several.images.length, 4);
    const hires = await pipeline.txt2img({ ...base, hires: { scale: 1.5, strength: 0.5 } });
    t.same([hires.images[0].width, hires.images[0].height], [48, 48]);
    const mask = new Image(32, 32, new Uint8Array(32 * 32 * 3).fill(255));
    t.equal((await pipeline.img2img({ ...base, image: images[0], strength: 0.5 })).images.length, 1);
    t.equal((await pipeline.inpaint({ ...base, image: images[0], mask })).images.length, 1);

    const requests = [base, { ...base, prompt: 'a man' }, { ...base, originalSize: { width: 8, height: 8 } }];
    const alone: Uint8Array[] = [];
    for (const request of requests) alone.push((await pipeline.txt2img(request)).images[0].data);
    const together = await Promise.all(requests.map((request) => pipeline.txt2img(request)));
    for (const [i, { images: drawn }] of together.entries()) {
      t.ok(sameBytes(drawn[0].data, alone[i]), `${name}: request ${i}`);
    }
    t.notOk(sameBytes(alone[0], alone[2]), 'sizes are seen');
  }
});

t.test('clip skip 2 is the default, and written down', async (t) => {
  const pipeline = await load(t, compVis('sdxl'));
  const request = { prompt, steps: 1, seed: 1 };
  const draw = async (more: object) => (await pipeline.txt2img({ ...request, ...more })).images[0];
  const usual = await draw({});
  t.ok(sameBytes(usual.data, (await draw({ clipSkip: 2 })).data));
  for (const clipSkip of [1, 3]) {
    const image = await draw({ clipSkip });
    t.notOk(sameBytes(usual.data, image.data), `clip skip ${clipSkip}`);
    t.equal(parseInfotext(image.parameters!).request.clipSkip, clipSkip);
  }
});

t.test('sizes are in the parameters, and a saved run goes on with them', async (t) => {
  const pipeline = await load(t, compVis('sdxl'));
  const request = { prompt, steps: 3, seed: 3, sampler: 'euler_a', ...sized } as const;
  const { images } = await pipeline.txt2img(request);
  const again = parseInfotext(images[0].parameters!);
  t.match(again.request, sized);
  t.ok(sameBytes(images[0].data, (await pipeline.txt2img(again.request)).images[0].data));
  const run = pipeline.steps(request);
  await run.next();
  const saved = run.save();
  await run.return();
  let last: Image | undefined;
  for await (const step of pipeline.resume(saved)) last = (await step.decode())[0];
  t.ok(sameBytes(images[0].data, last!.data));
});

t.test('the refiner draws on, and sees the aesthetic scores', async (t) => {
  const [base, refiner] = [await load(t, compVis('sdxl')), await load(t, compVis('refiner'))];
  const { images } = await base.txt2img({ prompt, steps: 2, seed: 1 });
  const request = { prompt, image: images[0], strength: 0.5, steps: 4, seed: 2, negativePrompt: 'bad' };
  const refined = (await refiner.img2img(request)).images[0];
  const scored = (await refiner.img2img({ ...request, aestheticScore: 9, negativeAestheticScore: 1 })).images[0];
  t.notOk(sameBytes(refined.data, scored.data));
  t.match(parseInfotext(scored.parameters!).request, { aestheticScore: 9, negativeAestheticScore: 1 });
});

t.test('a model that takes the guidance scale: few steps, one row, and the scale is seen', async (t) => {
  const pipeline = await load(t, compVis('lcm'));
  const { images } = await pipeline.txt2img({ prompt, seed: 1 });
  t.match(images[0].parameters, /Steps: 4, Sampler: LCM, Schedule type: lcm, CFG scale: 8.5/);
  const one = { prompt, seed: 1, steps: 1 };
  const draw = async (more: object) => (await pipeline.txt2img({ ...one, ...more })).images[0].data;
  t.notOk(sameBytes(await draw({ cfgScale: 2 }), await draw({ cfgScale: 9 })));
  t.ok(sameBytes(await draw({}), await draw({ negativePrompt: 'bad' })), 'there is no negative row');
  const together = await Promise.all([2, 9].map((scale) => draw({ cfgScale: scale })));
  t.ok(sameBytes(together[1], await draw({ cfgScale: 9 })), 'other scales take passes of their own');
  const bk = await load(t, compVis('bk'));
  t.equal((await bk.txt2img({ prompt, seed: 1, steps: 1 })).images.length, 1);
});

t.test("an LCM scheduler's configuration brings its defaults", async (t) => {
  const config = { ...configOf(parts.bk), scheduler: { ...configOf(parts.bk).scheduler, _class_name: 'LCMScheduler' } };
  const metadata = { ...parts.bk.metadata, 'node-diffusion.config': JSON.stringify(config) };
  const pipeline = await load(t, writeTensors(path.join(folder, 'plain-lcm.safetensors'), { ...parts.bk, metadata }));
  const { images } = await pipeline.txt2img({ prompt, seed: 1 });
  t.match(images[0].parameters, /Steps: 4, Sampler: LCM, Schedule type: lcm, CFG scale: 1/);
});

t.test('options that the model does not take are refused, and parts that it lacks named', async (t) => {
  const [xl, avatar] = [await load(t, compVis('sdxl')), await load(t, embeddedModelPath)];
  const refused: [Pipeline, object, RegExp][] = [
    [avatar, { originalSize: { width: 8, height: 8 } }, /^originalSize: expected none/],
    [avatar, { cropTopLeft: { top: 0, left: 0 } }, /^cropTopLeft: expected none/],
    [xl, { aestheticScore: 5 }, /^aestheticScore: expected none, since only .*refiner takes it, got 5$/],
    [xl, { originalSize: { width: 8 } }, /^originalSize.height: expected an integer in 1..16384, got undefined$/],
    [xl, { originalSize: 8 }, /^originalSize: expected an object of width and height, got 8$/],
    [xl, { cropTopLeft: { top: -1, left: 0 } }, /^cropTopLeft.top: /],
    [xl, { targetSize: { width: 8, height: 8, depth: 8 } }, /^depth: there is no such option/],
  ];
  for (const [pipeline, options, message] of refused) {
    await t.rejects(pipeline.txt2img({ prompt: '', ...options }), { code: 'INVALID_REQUEST', message });
  }
  const lacking = familyParts('sdxl', ['vae', 'text_encoder_2']);
  const file = writeTensors(path.join(folder, 'lacking.safetensors'), lacking);
  await t.rejects(Pipeline.load(file), { code: 'MISSING_COMPONENT', message: /recognised as .*missing: textEncoder$/ });
  const bare = writeTensors(path.join(folder, 'bare.safetensors'), familyParts('bk', ['vae']));
  await t.rejects(Pipeline.load(bare), { code: 'MISSING_COMPONENT', message: /missing: textEncoder$/ });
});

t.test('bytes do not depend on threads', async (t) => {
  const file = compVis('sdxl');
  const draw = async (threads: number) => {
    await using pipeline = await Pipeline.load(file, { threads });
    return (await pipeline.txt2img({ prompt, steps: 2, seed: 5, batchSize: 2 })).images[1].data;
  };
  t.equal(largestDifference(await draw(1), await draw(4)), 0);
});
