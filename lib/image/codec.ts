/** Picture files to RGB8 pixels and back, and pixels to other sizes: by sharp, off the JavaScript thread. */
import type { Sharp } from 'sharp';
import { DiffusionError } from '../errors';
import { loadSharp } from './sharp';

/** RGB8 `[height, width, 3]`. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** The formats that pictures are written in. */
export type ImageFormat = 'png' | 'jpeg' | 'webp';

export const imageFormats: readonly ImageFormat[] = ['png', 'jpeg', 'webp'];

/** How {@link Image.resize} fits a picture to its new size. */
export interface ResizeOptions {
  /**
   * What happens if the proportions differ: `fill` stretches, `cover` fills the size and crops what is over, `contain` shows all over
   * `background`. Default `fill`.
   */
  fit?: 'fill' | 'cover' | 'contain';
  /** Default `lanczos3`. */
  kernel?: 'nearest' | 'linear' | 'cubic' | 'mitchell' | 'lanczos2' | 'lanczos3';
  /** A CSS colour. Default white. */
  background?: string;
}

/** Larger pictures are refused by their header, before memory is allocated for them. */
export const maxPixels = 2 ** 26;

const fits = ['fill', 'cover', 'contain'];
const kernels = ['nearest', 'linear', 'cubic', 'mitchell', 'lanczos2', 'lanczos3'];

/**
 * Any format that sharp reads, turned upright as its EXIF orientation says, its colours in sRGB, what is transparent blended over
 * `background` (a CSS colour).
 *
 * @throws INVALID_IMAGE if the file is damaged, of no known format, or has more than {@link maxPixels}
 */
export async function decode(file: Uint8Array, background: string): Promise<Pixels> {
  if (file.length === 0) throw new DiffusionError('INVALID_IMAGE', 'the file is empty');
  const picture = loadSharp()(file, { limitInputPixels: maxPixels, failOn: 'warning' }).autoOrient();
  try {
    return await toPixels(flatten(picture, background).toColourspace('srgb'));
  } catch (cause) {
    if (cause instanceof DiffusionError) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    const what = /exceeds pixel limit/.test(why) ? `it has more than ${maxPixels} pixels` : why.trim();
    throw new DiffusionError('INVALID_IMAGE', `the picture could not be read: ${what}`, { cause });
  }
}

/**
 * A file of that format, without text.
 *
 * @param quality 1 to 100, of JPEG and WebP; default 80
 */
export function encode(pixels: Pixels, format: ImageFormat, quality = 80): Promise<Buffer> {
  const picture = fromPixels(pixels);
  return (format === 'png' ? picture.png() : picture.toFormat(format, { quality })).toBuffer();
}

/** @throws INVALID_ARGUMENT if the size or an option is not as said */
export function resize(pixels: Pixels, width: number, height: number, options: ResizeOptions = {}): Promise<Pixels> {
  const { fit = 'fill', kernel = 'lanczos3', background = '#ffffff' } = options;
  for (const [name, value] of Object.entries({ width, height })) {
    if (!Number.isInteger(value) || value < 1) throw invalid(name, 'a positive integer', String(value));
  }
  if (width * height > maxPixels) throw invalid('width, height', `at most ${maxPixels} pixels`, `${width} x ${height}`);
  if (!fits.includes(fit)) throw invalid('fit', `one of ${fits.join(', ')}`, String(fit));
  if (!kernels.includes(kernel)) throw invalid('kernel', `one of ${kernels.join(', ')}`, String(kernel));
  const picture = withColour(background, () => fromPixels(pixels).resize({ width, height, fit, kernel, background }));
  return toPixels(picture);
}

function flatten(picture: Sharp, background: string): Sharp {
  return withColour(background, () => picture.flatten({ background }));
}

/** sharp refuses a colour at once, with an error of its own. */
function withColour(background: string, use: () => Sharp): Sharp {
  if (typeof background !== 'string') throw invalid('background', 'a CSS colour', typeof background);
  try {
    return use();
  } catch {
    throw invalid('background', 'a CSS colour such as #ffffff', `'${background.slice(0, 40)}'`);
  }
}

function fromPixels({ width, height, data }: Pixels): Sharp {
  return loadSharp()(data, { raw: { width, height, channels: 3 }, limitInputPixels: false });
}

async function toPixels(picture: Sharp): Promise<Pixels> {
  const { data, info } = await picture.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
  const { width, height } = info;
  return { width, height, data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) };
}

function invalid(name: string, expected: string, actual: string): DiffusionError {
  return new DiffusionError('INVALID_ARGUMENT', `${name}: expected ${expected}, got ${actual}`);
}
