/** A picture: RGB8 pixels with the text that tells how they were generated. */
import path from 'node:path';
import { DiffusionError } from '../errors';
import { checkPath, readWhole, writeWhole } from '../files';
import { decode, encode, type ImageFormat, imageFormats, type ResizeOptions, resize } from './codec';
import { readParameters, withParameters } from './parameters';

/** How {@link Image.open} reads. */
export interface OpenOptions {
  /** What shows through where the picture is transparent: a CSS colour. Default white. */
  background?: string;
}

/** How {@link Image.save} and {@link Image.toBuffer} write. */
export interface SaveOptions {
  /** 1 to 100, for JPEG and WebP; larger is finer and larger. Default 80. */
  quality?: number;
}

const formatsByExtension: Readonly<Record<string, ImageFormat>> = {
  '.png': 'png',
  '.jpg': 'jpeg',
  '.jpeg': 'jpeg',
  '.webp': 'webp',
};

/** A picture: RGB8 pixels, and the text that tells how they were generated. Immutable but for its bytes. */
export class Image {
  /** In pixels. */
  readonly width: number;
  /** In pixels. */
  readonly height: number;
  /** Red, green, blue; there is no alpha. */
  readonly channels = 3;
  /** RGB8 `[height, width, 3]`: rows from the top, pixels from the left. */
  readonly data: Uint8Array;
  /** Generation parameters in A1111's format (see infotext.ts); they go into the file. */
  readonly parameters?: string;

  /** @throws INVALID_ARGUMENT if the size is not positive, the data is not of that size, or `parameters` has a NUL */
  constructor(width: number, height: number, data: Uint8Array, parameters?: string) {
    for (const [name, value] of Object.entries({ width, height })) {
      if (!Number.isInteger(value) || value < 1) throw invalid(name, 'a positive integer', String(value));
    }
    if (!(data instanceof Uint8Array)) throw invalid('data', 'a Uint8Array', typeof data);
    if (data.length !== width * height * 3) {
      throw invalid('data', `${width} * ${height} * 3 bytes`, `${data.length} bytes`);
    }
    if (parameters !== undefined && typeof parameters !== 'string') {
      throw invalid('parameters', 'a string', typeof parameters);
    }
    if (parameters?.includes('\0'))
      throw invalid('parameters', 'text without NUL, which PNG cannot hold', 'text with it');
    this.width = width;
    this.height = height;
    this.data = data;
    this.parameters = parameters;
  }

  /**
   * Reads a picture of any format that sharp reads (PNG, JPEG, WebP, AVIF, GIF, TIFF, SVG), from a path or from a file's bytes. It comes
   * upright, whatever its EXIF orientation; what is transparent is blended over white or what `background` says.
   *
   * @param options what to blend over
   * @throws FILE_NOT_FOUND if the path cannot be read; INVALID_IMAGE if the picture is damaged, of no known format or larger than 2^26
   * pixels; INVALID_ARGUMENT if an argument is not as said; ADDON_NOT_FOUND if sharp cannot be loaded
   */
  static async open(source: string | Uint8Array, { background = '#ffffff' }: OpenOptions = {}): Promise<Image> {
    const isPath = typeof source === 'string';
    if (!isPath && !(source instanceof Uint8Array))
      throw invalid('source', 'a path or the bytes of a file', typeof source);
    if (isPath) checkPath(source, 'source');
    const file = isPath ? await readWhole(source) : source;
    const { width, height, data } = await decode(file, background);
    return new Image(width, height, data, readParameters(file)?.replaceAll('\0', '\ufffd'));
  }

  /**
   * The picture as a file of that format, default PNG, with its parameters.
   *
   * @param options the format, and its quality
   * @throws INVALID_ARGUMENT if an option is not as said, or the parameters are too long for JPEG; ADDON_NOT_FOUND if sharp cannot be
   * loaded
   */
  async toBuffer({ format = 'png', quality }: SaveOptions & { format?: ImageFormat } = {}): Promise<Buffer> {
    if (!imageFormats.includes(format)) throw invalid('format', `one of ${imageFormats.join(', ')}`, String(format));
    checkQuality(format, quality);
    const file = await encode(this, format, quality);
    if (this.parameters === undefined) return file;
    return withParameters(file, format, this.parameters, this.width, this.height);
  }

  /** The picture as a PNG file, with its parameters. */
  toPNG(): Promise<Buffer> {
    return this.toBuffer();
  }

  /**
   * Writes a file, PNG, JPEG or WebP by the path's ending. The path holds either what it held before or the whole picture, never a part.
   *
   * @param options the quality, where the format has one
   * @throws INVALID_ARGUMENT if the path ends otherwise, and as {@link toBuffer}; FILE_NOT_WRITABLE if the file could not be written
   */
  async save(file: string, { quality }: SaveOptions = {}): Promise<void> {
    const format = typeof file === 'string' ? formatsByExtension[path.extname(file).toLowerCase()] : undefined;
    if (!format) throw invalid('path', 'a file name that ends in .png, .jpg, .jpeg or .webp', String(file));
    checkPath(file);
    await writeWhole(file, await this.toBuffer({ format, quality }));
  }

  /**
   * The picture at another size, by default stretched to it with Lanczos' kernel. Its parameters, which tell of the size that it had, are
   * left behind.
   *
   * @throws INVALID_ARGUMENT if the size is not of positive integers or an option is not as said; ADDON_NOT_FOUND
   */
  async resize(width: number, height: number, options?: ResizeOptions): Promise<Image> {
    const resized = await resize(this, width, height, options);
    return new Image(resized.width, resized.height, resized.data);
  }
}

function checkQuality(format: ImageFormat, quality: number | undefined): void {
  if (quality === undefined) return;
  if (format === 'png') throw invalid('quality', 'none for PNG, which loses nothing', String(quality));
  if (!Number.isInteger(quality) || quality < 1 || quality > 100) {
    throw invalid('quality', 'an integer in 1..100', String(quality));
  }
}

function invalid(name: string, expected: string, actual: string): DiffusionError {
  return new DiffusionError('INVALID_ARGUMENT', `${name}: expected ${expected}, got ${actual}`);
}
