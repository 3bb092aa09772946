/** A finished picture: RGB8 pixels with the text that tells how they were generated. */

import { randomUUID } from 'node:crypto';
import { rename, rm, writeFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { DiffusionError } from '../errors';
import { decodePng, encodePng } from './png';

export class Image {
  readonly width: number;
  readonly height: number;
  readonly channels = 3;
  /** RGB8 `[height, width, 3]`: rows from the top, pixels from the left. */
  readonly data: Uint8Array;
  /** Generation parameters in A1111's format (see infotext.ts); they go into the PNG. */
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

  /** The picture as a PNG file, with its parameters. */
  toPNG(): Promise<Buffer> {
    return encodePng(this);
  }

  /**
   * Writes a PNG file. The path holds either what it held before or the whole picture, never a part.
   *
   * @throws INVALID_ARGUMENT if the path does not end in `.png`; FILE_NOT_WRITABLE if the file could not be written
   */
  async save(path: string): Promise<void> {
    if (typeof path !== 'string' || extname(path).toLowerCase() !== '.png') {
      throw new DiffusionError('INVALID_ARGUMENT', `path: expected a file name that ends in .png, got ${String(path)}`);
    }
    const bytes = await this.toPNG();
    const unfinished = `${path}.${randomUUID()}.tmp`;
    try {
      await writeFile(unfinished, bytes, { flag: 'wx', flush: true });
      await rename(unfinished, path);
    } catch (cause) {
      await rm(unfinished, { force: true }).catch(() => {});
      throw new DiffusionError('FILE_NOT_WRITABLE', `${path} could not be written`, { cause });
    }
  }

  /**
   * Reads a PNG file that is not interlaced; what is transparent is blended over white.
   *
   * @throws INVALID_IMAGE if the file is damaged or of a kind that is not supported; INVALID_ARGUMENT if it is not
   * bytes
   */
  static async fromPNG(file: Uint8Array): Promise<Image> {
    if (!(file instanceof Uint8Array)) throw invalid('file', 'the bytes of a PNG file', typeof file);
    const { width, height, data, parameters } = await decodePng(file);
    return new Image(width, height, data, parameters?.replaceAll('\0', '\ufffd'));
  }
}

function invalid(name: string, expected: string, actual: string): DiffusionError {
  return new DiffusionError('INVALID_ARGUMENT', `${name}: expected ${expected}, got ${actual}`);
}
