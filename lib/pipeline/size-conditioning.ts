/** What Stable Diffusion XL is told of a picture's size: arXiv 2307.01952, section 2.2. */
import type { ModelInfo } from '../model/model';
import { checkNames, finite, integer, refuse } from './checks';

/** A size in pixels. */
export interface PixelSize {
  width: number;
  height: number;
}

/** For models with such a conditioning (Stable Diffusion XL), and for no others. */
export interface SizeRequest {
  /** Of the picture before it was cropped, had it been one to train on: smaller ones come out softer. Default: the size that is drawn. */
  originalSize?: PixelSize;
  /** Where the crop began; 0, 0 has the subject in the middle. Default: 0, 0. */
  cropTopLeft?: { top: number; left: number };
  /** Default: the size that is drawn. The refiner takes none. */
  targetSize?: PixelSize;
  /** How pleasing the picture is, 0 to 10: for the refiner. Default 6. */
  aestheticScore?: number;
  /** The same for the negative prompt. Default 2.5. */
  negativeAestheticScore?: number;
}

export const sizeOptions = ['originalSize', 'cropTopLeft', 'targetSize', 'aestheticScore', 'negativeAestheticScore'];

/** The options of a request that there are; throws `INVALID_REQUEST` for those that none of its models takes. */
export function parseSizes(request: SizeRequest, models: readonly ModelInfo[]): SizeRequest {
  const { originalSize, cropTopLeft, targetSize, aestheticScore, negativeAestheticScore } = request;
  const counts = models.map(({ unet }) => unet?.addition?.sizeNumbers ?? 0);
  const [isXl, isBase, isRefiner] = [Math.max(...counts) > 0, counts.includes(6), counts.includes(5)];
  const taken = (name: keyof SizeRequest, isTaken: boolean, by: string) => {
    if (request[name] !== undefined && !isTaken) refuse(name, `none, since only ${by} takes it`, request[name]);
  };
  taken('originalSize', isXl, 'Stable Diffusion XL');
  taken('cropTopLeft', isXl, 'Stable Diffusion XL');
  taken('targetSize', isBase, "Stable Diffusion XL's base model");
  taken('aestheticScore', isRefiner, "Stable Diffusion XL's refiner");
  taken('negativeAestheticScore', isRefiner, "Stable Diffusion XL's refiner");
  const score = (name: string, value: number) => finite(name, value, 0, 10);
  return {
    ...(originalSize && { originalSize: parsePair('originalSize', originalSize, ['width', 'height'], 1) }),
    ...(cropTopLeft && { cropTopLeft: parsePair('cropTopLeft', cropTopLeft, ['top', 'left'], 0) }),
    ...(targetSize && { targetSize: parsePair('targetSize', targetSize, ['width', 'height'], 1) }),
    ...(aestheticScore !== undefined && { aestheticScore: score('aestheticScore', aestheticScore) }),
    ...(negativeAestheticScore !== undefined && {
      negativeAestheticScore: score('negativeAestheticScore', negativeAestheticScore),
    }),
  };
}

/** The numbers that a row of the conditioning takes, in the model's order, for a picture that is drawn at this size. */
export function sizeNumbers(sizes: SizeRequest, count: 5 | 6, drawn: PixelSize, isNegative: boolean): number[] {
  const { originalSize = drawn, cropTopLeft = { top: 0, left: 0 }, targetSize = drawn } = sizes;
  const { aestheticScore = 6, negativeAestheticScore = 2.5 } = sizes;
  return [
    ...[originalSize.height, originalSize.width, cropTopLeft.top, cropTopLeft.left],
    ...(count === 6 ? [targetSize.height, targetSize.width] : [isNegative ? negativeAestheticScore : aestheticScore]),
  ];
}

/** The same as settings of generation parameters: what a request said, and nothing of defaults. */
export function sizeFacts(sizes: SizeRequest): [label: string, value: string | number | undefined][] {
  const { originalSize, cropTopLeft, targetSize } = sizes;
  return [
    ['Original size', originalSize && `${originalSize.width}x${originalSize.height}`],
    ['Crop top left', cropTopLeft && `${cropTopLeft.top}x${cropTopLeft.left}`],
    ['Target size', targetSize && `${targetSize.width}x${targetSize.height}`],
    ['Aesthetic score', sizes.aestheticScore],
    ['Negative aesthetic score', sizes.negativeAestheticScore],
  ];
}

function parsePair<Name extends string>(
  name: string,
  value: Record<Name, number>,
  parts: readonly [Name, Name],
  least: number,
): Record<Name, number> {
  if (typeof value !== 'object') refuse(name, `an object of ${parts.join(' and ')}`, value);
  checkNames(value, parts);
  const [a, b] = parts;
  return {
    [a]: integer(`${name}.${a}`, value[a], least, 16384),
    [b]: integer(`${name}.${b}`, value[b], least, 16384),
  } as Record<Name, number>;
}
