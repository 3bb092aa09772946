/** What requests that begin from a picture are refused for, and what they are filled up with. */
import t from 'tap';
import { Image } from '../../lib/image/image';
import type { ModelInfo } from '../../lib/model/model';
import {
  type Img2ImgRequest,
  type InpaintRequest,
  type OutpaintRequest,
  outpaintToInpaint,
  parseImg2Img,
  parseInpaint,
} from '../../lib/pipeline/image-request';

const info = {
  family: 'sd1',
  defaults: '',
  prediction: { type: 'epsilon' },
  vae: { latentChannels: 4, scalingFactor: 0.18215, downscale: 8 },
} as ModelInfo;

const picture = (width: number, height: number, value = 255) =>
  new Image(width, height, new Uint8Array(3 * width * height).fill(value));
const image = picture(70, 41);

t.test('a picture sets the size, rounded down', async (t) => {
  const parsed = parseImg2Img({ prompt: 'a', image }, info);
  t.match(parsed, { width: 64, height: 40, steps: 20, source: { strength: 0.75 } });
  const { pixels } = await parsed.source!.resolve();
  t.equal(pixels.length, 3 * 64 * 40);
  t.ok(
    pixels.every((value) => Math.abs(value - 1) < 1e-6),
    'resized',
  );
  t.match(parseImg2Img({ prompt: 'a', image, width: 128 }, info), { width: 128, height: 40 });
  t.match(parseImg2Img({ prompt: 'a', image: picture(3, 5) }, info), { width: 8, height: 8 });
});

t.test('a mask is blurred and resized with the picture', async (t) => {
  const mask = picture(70, 41, 0);
  mask.data.fill(255, 0, 3 * 70 * 20); // the upper half
  const { source, ...rest } = parseInpaint({ prompt: 'a', image, mask }, info);
  t.notOk('maskBlur' in rest);
  t.strictSame([...new Set((await source!.resolve()).mask)], [1, 0], 'edges stay hard');
  const soft = parseInpaint({ prompt: 'a', image, mask, maskBlur: 2 }, info);
  t.equal(soft.maskBlur, 2);
  t.ok((await soft.source!.resolve()).mask!.some((value) => value > 0.2 && value < 0.8));
});

t.test('outpainting is inpainting on a larger canvas', async (t) => {
  const {
    image: canvas,
    mask,
    ...rest
  } = await outpaintToInpaint({ prompt: 'a', image, left: 10, bottom: 7, seed: 3 }, info);
  t.match(canvas, { width: 80, height: 48 });
  t.match(mask, { width: 80, height: 48 });
  t.strictSame(rest, { prompt: 'a', seed: 3, strength: 1 });
});

t.test('what is refused, with the name, what was expected and what came', async (t) => {
  const refused: [() => unknown, RegExp][] = [
    [() => parseImg2Img({ prompt: 'a' } as Img2ImgRequest, info), /^image: expected an Image, got undefined$/],
    [() => parseImg2Img({ prompt: 'a', image: 'x.png' } as never, info), /^image: expected an Image, got 'x.png'$/],
    [() => parseImg2Img({ prompt: 'a', image, strength: 2 }, info), /^strength: expected a number in 0..1, got 2$/],
    [() => parseImg2Img({ prompt: 'a', image, strength: 0.04 }, info), /^strength: expected at least 1 \/ 20/],
    [() => parseImg2Img({ prompt: 'a', image, mask: image } as never, info), /^mask: there is no such option/],
    [() => parseImg2Img({ prompt: 'a', image, latents: new Float32Array(1) } as never, info), /^latents: there is no/],
    [() => parseInpaint({ prompt: 'a', image } as InpaintRequest, info), /^mask: expected an Image, got undefined$/],
    [() => parseInpaint({ prompt: 'a', image, mask: picture(3, 3) }, info), /^mask: expected 70 x 41 .* got '3 x 3'$/],
    [
      () => parseInpaint({ prompt: 'a', image, mask: image, maskBlur: -1 }, info),
      /^maskBlur: expected a number in 0../,
    ],
    [
      () => outpaintToInpaint({ prompt: 'a', image } as OutpaintRequest, info),
      /^left, right, top, bottom: expected pixels/,
    ],
    [
      () => outpaintToInpaint({ prompt: 'a', image, left: 0.5 }, info),
      /^left: expected an integer in 0..16384, got 0.5$/,
    ],
    [
      () => outpaintToInpaint({ prompt: 'a', image, left: 8 }, info),
      /^left \+ image \+ right: expected a multiple of 8/,
    ],
    [() => outpaintToInpaint({ prompt: 'a', left: 8 } as never, info), /^image: expected an Image, got undefined$/],
    [
      () => outpaintToInpaint({ prompt: 'a', image, left: 8, width: 64 } as never, info),
      /^width: there is no such option/,
    ],
  ];
  const attempt = async (parse: () => unknown) => parse();
  for (const [parse, message] of refused)
    await t.rejects(attempt(parse), { code: 'INVALID_REQUEST', message }, String(message));
});
