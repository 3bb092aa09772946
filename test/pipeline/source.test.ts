import t from 'tap';
import { Image } from '../../lib/image/image';
import type { Model, ModelInfo } from '../../lib/model/model';
import { atOnce } from '../../lib/pipeline/slices';
import { GivenSource, inpaintingChannels, isInpainting, planesOf } from '../../lib/pipeline/source';

t.test('bytes become planes in -1..1', async (t) => {
  const image = new Image(2, 1, Uint8Array.of(0, 255, 51, 255, 0, 204));
  const planes = atOnce(planesOf(image, image));
  const expected = [-1, 1, 1, -1, -0.6, 0.6];
  t.ok(planes.every((value, i) => Math.abs(value - expected[i]) < 1e-6));
  const larger = atOnce(planesOf(image, { height: 8, width: 16 }));
  t.equal(larger.length, 3 * 128);
  t.ok(
    larger.every((value) => Math.abs(value) <= 1),
    'within the bounds, though the kernel overshoots',
  );
});

t.test('a big picture is prepared once, while others have their turns', async (t) => {
  const image = new Image(1500, 1000, new Uint8Array(3 * 1500 * 1000).fill(51));
  const source = new GivenSource(image, { height: 64, width: 96 }, 1, { image, blur: 3 });
  let turns = 0;
  const other = setInterval(() => turns++, 0);
  const [first, again] = await Promise.all([source.resolve(), source.resolve()]);
  clearInterval(other);
  t.equal(first, again);
  t.ok(turns > 0);
  t.equal(first.pixels.length, 3 * 64 * 96);
  t.ok(first.pixels.every((value) => Math.abs(value + 0.6) < 1e-6));
  t.ok(first.mask!.every((value) => Math.abs(value - 0.2) < 1e-6));
  t.notOk('mask' in (await new GivenSource(image, image, 1).resolve()));
});

t.test('an inpainting UNet is told by its channels', async (t) => {
  const info = (inChannels: number, latentChannels = 4) =>
    ({ unet: { inChannels }, vae: { latentChannels } }) as ModelInfo;
  t.ok(isInpainting(info(9)));
  t.notOk(isInpainting(info(4)));
  t.notOk(isInpainting(info(8)));
  t.ok(isInpainting(info(33, 16)));
});

t.test('it sees the mask, and the picture with grey under it', async (t) => {
  const seen: number[][] = [];
  const model = {
    info: { vae: { downscale: 2 } },
    encodeImage: async (pixels: Float32Array) => {
      seen.push([...pixels]);
      return Float32Array.of(7, 8); // one latent of two channels
    },
  } as unknown as Model;
  const size = { height: 2, width: 4 };
  const pixels = new Float32Array(24).fill(0.5);
  const mask = Float32Array.of(0, 0, 0.4, 1, 0, 0, 0, 0);
  t.same(await inpaintingChannels(model, size, { pixels, mask }), Float32Array.of(0, 1, 7, 8));
  t.strictSame(
    seen[0],
    [0, 1, 2].flatMap(() => [0.5, 0.5, 0.5, 0, 0.5, 0.5, 0.5, 0.5]),
  );
  t.same(
    await inpaintingChannels(model, size, { pixels }),
    Float32Array.of(1, 1, 7, 8),
    'without a mask all is repainted',
  );
  t.same(await inpaintingChannels(model, size, undefined), Float32Array.of(1, 1, 7, 8));
  t.strictSame([...new Set([...seen[1], ...seen[2]])], [0]);
});
