/** PNG files with A1111's `parameters` text, over zlib alone (W3C, "Portable Network Graphics", third edition). */

import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import { DiffusionError } from '../errors';
import { type Chunk, readChunks, writeChunks } from './png-chunks';
import { filterRows, unfilterRows } from './png-filters';

/** Pixels, and the generation parameters that came with them. */
export interface PngImage {
  readonly width: number;
  readonly height: number;
  /** RGB8 `[height, width, 3]`. */
  readonly data: Uint8Array;
  readonly parameters?: string;
}

/** Larger pictures are refused before memory is allocated for them. */
export const maxPixels = 2 ** 26;

const maxTextBytes = 2 ** 24;
const bestDeflateRatio = 1032; // bytes that one byte of deflate can stand for at most

const deflate = promisify<zlib.InputType, Buffer>(zlib.deflate);
const inflate = promisify<zlib.InputType, zlib.ZlibOptions, Buffer>(zlib.inflate);

/**
 * Encodes RGB8 pixels. `parameters` becomes a tEXt chunk if it fits in Latin-1, and an iTXt chunk in UTF-8 otherwise,
 * which is how A1111 stores it. The pixels are trusted to be `height * width * 3` bytes.
 */
export async function encodePng({ width, height, data, parameters }: PngImage): Promise<Buffer> {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, rgb, 0, 0, 0], 8);
  return writeChunks([
    { type: 'IHDR', body: header },
    ...(parameters === undefined ? [] : [parametersChunk(parameters)]),
    { type: 'IDAT', body: await deflate(filterRows(data, width * 3, height, 3)) },
    { type: 'IEND', body: Buffer.alloc(0) },
  ]);
}

/**
 * Decodes a PNG that is not interlaced: grey, RGB or palette of any depth, with or without transparency. Samples of 16
 * bits are rounded to 8. What is transparent is blended over white, as A1111 does. Of the text only `parameters` is
 * read.
 *
 * @throws INVALID_IMAGE if the file is damaged, interlaced, or has more than {@link maxPixels}
 */
export async function decodePng(file: Uint8Array): Promise<PngImage> {
  const { header, palette, transparency, pixels, parameters } = collect(file);
  const { width, height, depth, channels } = header;
  const rowBytes = Math.ceil((width * channels * depth) / 8);
  const filtered = await inflateExactly(pixels, (rowBytes + 1) * height);
  const bytes = unfilterRows(filtered, rowBytes, height, Math.ceil((channels * depth) / 8));

  const readPixel = pixelReader(header, palette, transparency);
  const samples = new Uint16Array(width * channels);
  const rgba = [0, 0, 0, 0];
  const data = new Uint8Array(width * height * 3);
  for (let y = 0, at = 0; y < height; y++) {
    unpackSamples(bytes.subarray(y * rowBytes, (y + 1) * rowBytes), depth, samples);
    for (let x = 0; x < width; x++) {
      readPixel(samples, x * channels, rgba);
      const alpha = rgba[3];
      for (let channel = 0; channel < 3; channel++) {
        data[at++] = Math.round((rgba[channel] * alpha + 255 * (255 - alpha)) / 255);
      }
    }
  }
  return { width, height, data, parameters };
}

// ---- Chunks

const grey = 0;
const rgb = 2;
const indexed = 3;
const greyAlpha = 4;
const rgbAlpha = 6;

/** Colour types: samples a pixel, and the bits that a sample may have. */
const colourTypes = new Map([
  [grey, { channels: 1, depths: [1, 2, 4, 8, 16] }],
  [rgb, { channels: 3, depths: [8, 16] }],
  [indexed, { channels: 1, depths: [1, 2, 4, 8] }],
  [greyAlpha, { channels: 2, depths: [8, 16] }],
  [rgbAlpha, { channels: 4, depths: [8, 16] }],
]);

interface Header {
  readonly width: number;
  readonly height: number;
  readonly depth: number;
  readonly colourType: number;
  readonly channels: number;
}

function collect(file: Uint8Array) {
  let header: Header | undefined;
  let palette: Buffer | undefined;
  let transparency: Buffer | undefined;
  let parameters: string | undefined;
  const pixels: Buffer[] = [];
  for (const { type, body } of readChunks(Buffer.from(file.buffer, file.byteOffset, file.byteLength))) {
    if ((type === 'IHDR') !== (header === undefined)) throw invalid('expected one IHDR chunk, before all others');
    if (type === 'IHDR') header = readHeader(body);
    else if (type === 'PLTE') palette = body;
    else if (type === 'tRNS') transparency = body;
    else if (type === 'IDAT') pixels.push(body);
    else if (type === 'tEXt' || type === 'iTXt') parameters = readParameters(type, body) ?? parameters;
    else if (type !== 'IEND' && type[0] < 'a') throw invalid(`the critical chunk ${type} is not supported`);
  }
  return { header: header!, palette, transparency, pixels: Buffer.concat(pixels), parameters };
}

function readHeader(body: Buffer): Header {
  if (body.length !== 13) throw invalid(`expected an IHDR chunk of 13 bytes, got ${body.length}`);
  const width = body.readUInt32BE(0);
  const height = body.readUInt32BE(4);
  const [depth, colourType, compression, filter, interlace] = body.subarray(8);
  if (width === 0 || height === 0) throw invalid(`${width} x ${height} is no size`);
  if (width * height > maxPixels) throw invalid(`expected at most ${maxPixels} pixels, got ${width} x ${height}`);
  const type = colourTypes.get(colourType);
  if (!type?.depths.includes(depth)) throw invalid(`there is no colour type ${colourType} with ${depth} bits a sample`);
  if (interlace === 1) throw invalid('interlaced images are not supported');
  if (compression || filter || interlace) throw invalid('unknown method of compression, filtering or interlacing');
  return { width, height, depth, colourType, channels: type.channels };
}

// ---- Text

const parametersKeyword = 'parameters';

function parametersChunk(text: string): Chunk {
  const fitsLatin1 = /^[\x00-\xff]*$/.test(text);
  if (fitsLatin1) return { type: 'tEXt', body: Buffer.from(`${parametersKeyword}\0${text}`, 'latin1') };
  const noLanguage = '\0\0\0\0'; // nor compression, nor a translated keyword
  return { type: 'iTXt', body: Buffer.from(`${parametersKeyword}\0${noLanguage}${text}`, 'utf8') };
}

function readParameters(type: string, body: Buffer): string | undefined {
  const keywordEnd = body.indexOf(0);
  if (body.toString('latin1', 0, keywordEnd) !== parametersKeyword) return undefined;
  if (type === 'tEXt') return body.toString('latin1', keywordEnd + 1);
  const compressed = body[keywordEnd + 1] === 1;
  const languageEnd = body.indexOf(0, keywordEnd + 3);
  const translationEnd = body.indexOf(0, languageEnd + 1);
  if (languageEnd < 0 || translationEnd < 0) throw invalid('the iTXt chunk of the parameters has no text');
  const text = body.subarray(translationEnd + 1);
  if (!compressed) return text.toString('utf8');
  try {
    return zlib.inflateSync(text, { maxOutputLength: maxTextBytes }).toString('utf8');
  } catch (cause) {
    throw invalid('the compressed text of the parameters is damaged or too long', { cause });
  }
}

// ---- Pixels

async function inflateExactly(compressed: Buffer, size: number): Promise<Buffer> {
  if (size > compressed.length * bestDeflateRatio) {
    throw invalid(`${compressed.length} bytes of pixel data cannot hold the ${size} that the size asks for`);
  }
  let data: Buffer;
  try {
    data = await inflate(compressed, { maxOutputLength: size });
  } catch (cause) {
    throw invalid('the pixel data is damaged or longer than the size asks for', { cause });
  }
  if (data.length !== size) throw invalid(`expected ${size} bytes of pixel data, got ${data.length}`);
  return data;
}

/** Samples of 1 to 16 bits, most significant first. */
function unpackSamples(row: Uint8Array, depth: number, samples: Uint16Array): void {
  if (depth === 8) {
    samples.set(row);
  } else if (depth === 16) {
    for (let i = 0; i < samples.length; i++) samples[i] = (row[2 * i] << 8) | row[2 * i + 1];
  } else {
    const perByte = 8 / depth;
    const mask = 2 ** depth - 1;
    for (let i = 0; i < samples.length; i++) {
      samples[i] = (row[Math.floor(i / perByte)] >> (8 - depth * ((i % perByte) + 1))) & mask;
    }
  }
}

type PixelReader = (samples: Uint16Array, at: number, rgba: number[]) => void;

/** How a pixel's samples become red, green, blue and alpha of 0 to 255. */
function pixelReader({ depth, colourType }: Header, palette?: Buffer, transparency?: Buffer): PixelReader {
  const to8Bits = 255 / (2 ** depth - 1);
  const set = (rgba: number[], red: number, green: number, blue: number, alpha: number) => {
    rgba[0] = Math.round(red * to8Bits);
    rgba[1] = Math.round(green * to8Bits);
    rgba[2] = Math.round(blue * to8Bits);
    rgba[3] = Math.round(alpha * to8Bits);
  };
  const opaque = 2 ** depth - 1;
  if (colourType === indexed) return paletteReader(palette, transparency);
  if (colourType === greyAlpha) return (s, at, rgba) => set(rgba, s[at], s[at], s[at], s[at + 1]);
  if (colourType === rgbAlpha) return (s, at, rgba) => set(rgba, s[at], s[at + 1], s[at + 2], s[at + 3]);

  // Without alpha, tRNS may name one colour that is transparent.
  const keyBytes = colourType === grey ? 2 : 6;
  if (transparency && transparency.length !== keyBytes) {
    throw invalid(`expected a tRNS chunk of ${keyBytes} bytes, got ${transparency.length}`);
  }
  const key = Array.from({ length: keyBytes / 2 }, (_, i) => transparency?.readUInt16BE(2 * i) ?? -1);
  if (colourType === grey) {
    return (s, at, rgba) => set(rgba, s[at], s[at], s[at], s[at] === key[0] ? 0 : opaque);
  }
  return (s, at, rgba) => {
    const isKey = s[at] === key[0] && s[at + 1] === key[1] && s[at + 2] === key[2];
    set(rgba, s[at], s[at + 1], s[at + 2], isKey ? 0 : opaque);
  };
}

function paletteReader(palette?: Buffer, transparency: Buffer = Buffer.alloc(0)): PixelReader {
  if (!palette) throw invalid('a palette image has no PLTE chunk');
  const count = palette.length / 3;
  if (!Number.isInteger(count) || count < 1 || count > 256) {
    throw invalid(`expected a palette of 1 to 256 colours of 3 bytes, got ${palette.length} bytes`);
  }
  if (transparency.length > count) throw invalid(`${transparency.length} alphas for a palette of ${count} colours`);
  return (samples, at, rgba) => {
    const index = samples[at];
    if (index >= count) throw invalid(`a pixel has colour ${index} of a palette of ${count}`);
    for (let channel = 0; channel < 3; channel++) rgba[channel] = palette[3 * index + channel];
    rgba[3] = transparency[index] ?? 255;
  };
}

function invalid(what: string, options?: ErrorOptions): DiffusionError {
  return new DiffusionError('INVALID_IMAGE', `PNG: ${what}`, options);
}
