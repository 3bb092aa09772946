/** Requests that begin from a picture: their checks and defaults. */
import { Image } from '../image/image';
import type { ModelInfo } from '../model/model';
import { checkNames, definedOnly, finite, integer, refuse } from './checks';
import { extendCanvas, type Margins } from './outpaint';
import { parseStrength, parseText, type ResolvedRequest, type TextRequest, textOptions } from './request';
import { inSlices } from './slices';
import { type GivenMask, GivenSource } from './source';

export { Image };

/** A request for pictures from a picture and text. */
export interface Img2ImgRequest extends Omit<TextRequest, 'latents'> {
  /** What to begin from. It is resized where width and height say so; by default they are its own, rounded down to what the model can draw. */
  image: Image;
  /** How much is drawn anew: `floor(steps * strength)` of the steps are taken, the last ones. 0 to 1. Default 0.75. */
  strength?: number;
}

/** A request that repaints a part of a picture. */
export interface InpaintRequest extends Img2ImgRequest {
  /** As large as `image`: white is repainted, black stays. */
  mask: Image;
  /** Deviation in pixels, up to 64, of the normal distribution that the mask's edge is blurred with. Default 0: what is black stays to the bit. */
  maskBlur?: number;
}

/** A request that draws beyond the edges of a picture. Its own size and what is added make sides that the model can draw. Strength is 1 by default. */
export interface OutpaintRequest extends Omit<InpaintRequest, 'mask' | 'width' | 'height'>, Margins {}

/** Throws `INVALID_REQUEST` (or `UNKNOWN_SAMPLER`, `UNKNOWN_SCHEDULE`) with the option, what was expected and what came. */
export function parseImg2Img(request: Img2ImgRequest, info: ModelInfo): ResolvedRequest {
  checkNames(request, [...imageOptions, 'image', 'strength']);
  return parseImage(request, info);
}

/** The same. */
export function parseInpaint(request: InpaintRequest, info: ModelInfo): ResolvedRequest {
  checkNames(request, [...imageOptions, 'image', 'strength', 'mask', 'maskBlur']);
  const { image, mask, maskBlur = 0 } = request;
  checkImage('mask', mask);
  checkImage('image', image);
  if (mask.width !== image.width || mask.height !== image.height) {
    refuse('mask', `${image.width} x ${image.height} pixels, as the image has`, `${mask.width} x ${mask.height}`);
  }
  const blur = finite('maskBlur', maskBlur, 0, 64);
  return { ...parseImage(request, info, { image: mask, blur }), ...(blur === 0 ? {} : { maskBlur: blur }) };
}

/** As inpainting on a larger canvas, the sides of which have to be what the model can draw. */
export async function outpaintToInpaint(
  request: OutpaintRequest,
  { vae }: Pick<ModelInfo, 'vae'>,
): Promise<InpaintRequest> {
  checkNames(request, [...canvasOptions, 'image', 'strength', 'maskBlur', 'left', 'right', 'top', 'bottom', 'overlap']);
  const { left = 0, right = 0, top = 0, bottom = 0, overlap = 8, image, ...rest } = request;
  checkImage('image', image);
  const sides = { left, right, top, bottom, overlap };
  for (const [name, value] of Object.entries(sides)) integer(name, value, 0, 16384);
  if (left + right + top + bottom === 0) refuse('left, right, top, bottom', 'pixels to add at a side', 0);
  const factor = vae?.downscale ?? 8;
  integer('left + image + right', left + image.width + right, factor, 16384, factor);
  integer('top + image + bottom', top + image.height + bottom, factor, 16384, factor);
  return { strength: 1, ...definedOnly(rest), ...(await inSlices(extendCanvas(image, sides))) };
}

const imageOptions = textOptions.filter((name) => name !== 'latents');
const canvasOptions = imageOptions.filter((name) => name !== 'width' && name !== 'height');

function parseImage(request: Img2ImgRequest, info: ModelInfo, white?: GivenMask): ResolvedRequest {
  const { image, strength = 0.75, mask: _mask, maskBlur: _blur, ...rest } = request as InpaintRequest;
  checkImage('image', image);
  const factor = info.vae?.downscale ?? 8;
  const rounded = (side: number) => Math.max(factor, Math.floor(side / factor) * factor);
  const { width = rounded(image.width), height = rounded(image.height) } = request;
  const resolved = parseText({ ...rest, width, height }, info);
  const share = parseStrength('strength', strength, resolved.steps);
  return { ...resolved, source: new GivenSource(image, resolved, share, white) };
}

function checkImage(name: string, value: unknown): void {
  if (!(value instanceof Image)) refuse(name, 'an Image', value);
}
