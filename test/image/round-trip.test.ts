/** A picture's file tells how to draw the same picture again. */
import { join } from 'node:path';
import t from 'tap';
import { Image } from '../../lib/image/image';
import { parseInfotext } from '../../lib/image/parse-infotext';
import { Pipeline } from '../../lib/pipeline/pipeline';
import type { Txt2ImgRequest } from '../../lib/pipeline/request';
import { UnconditionalPipeline } from '../../lib/pipeline/unconditional';

const small = { width: 64, height: 32, steps: 3 };

/** Requests that differ from the defaults, each in what its name says. */
const requests: Record<string, Txt2ImgRequest> = {
  'a short one': { prompt: 'a smiling woman with red hair' },
  'all that changes the picture': {
    ...{
      prompt: '(a sad man:1.2),\nwith a [red|green] hat 猫',
      negativePrompt: 'glasses, "beard"',
      cfgScale: 3.5,
      clipSkip: 2,
    },
    ...{ sampler: 'ddim', schedule: 'ays_sd15', eta: 0.5, rng: 'torch', seed: 2n ** 60n + 1n, cfgRescale: 0.3 },
  },
  'a variation': {
    prompt: 'a man',
    sampler: 'euler_a',
    schedule: 'discrete',
    seed: 5,
    subseed: 6,
    subseedStrength: 0.25,
  },
  'a second pass': { prompt: 'a woman', hires: { scale: 2, upscaler: 'pixels', strength: 0.5, steps: 4 } },
};

t.test('pictures from text', async (t) => {
  await using pipeline = await Pipeline.load();
  const folder = t.testdir();
  for (const [name, request] of Object.entries(requests)) {
    const { images } = await pipeline.txt2img({ ...small, ...request });
    for (const ending of ['png', 'jpg', 'webp']) {
      const file = join(folder, `picture.${ending}`);
      await images[0].save(file);
      const parsed = parseInfotext(file);
      t.match(parsed.unknown, { Model: 'avatar' }, `${name}: what is not of the request`);
      t.equal(Object.keys(parsed.unknown).length, 1, `${name}: all else is understood`);
      if (ending !== 'png') continue;
      const again = await pipeline.txt2img(parsed.request);
      t.strictSame(again.images[0].data, (await Image.open(file)).data, `${name}: the same bytes`);
      t.equal(again.images[0].parameters, images[0].parameters, `${name}: and the same parameters`);
    }
  }
});

t.test('each picture of a batch', async (t) => {
  await using pipeline = await Pipeline.load();
  const { images } = await pipeline.txt2img({ ...small, prompt: ['a woman', 'a man'], batchSize: 1 });
  t.equal(images.length, 2);
  for (const image of images) {
    const again = await pipeline.txt2img(parseInfotext(await image.toPNG()).request);
    t.strictSame(again.images[0].data, image.data);
  }
});

t.test('pictures from noise alone', async (t) => {
  await using pipeline = await UnconditionalPipeline.load();
  const { images } = await pipeline.generate({ steps: 3 });
  t.notMatch(images[0].parameters, /CFG scale/);
  const { prompt, ...request } = parseInfotext(await images[0].toPNG()).request;
  t.equal(prompt, '');
  t.strictSame((await pipeline.generate(request)).images[0].data, images[0].data);
});
