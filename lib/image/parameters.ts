/** The text of the generation parameters within a picture's file, where A1111 writes it. */
import * as zlib from 'node:zlib';
import { DiffusionError } from '../errors';
import type { ImageFormat } from './codec';
import { exifOfJpeg, exifOfWebp, jpegWithExif, webpWithExif } from './containers';
import { readUserComment, writeUserComment } from './exif';
import { type Chunk, insertChunk, readChunks } from './png-chunks';

const keyword = 'parameters';
const maxTextBytes = 2 ** 24; // of a text that is stored compressed

/**
 * A file, as sharp wrote it, with that text: a chunk of a PNG (tEXt if it fits in Latin-1, iTXt in UTF-8 otherwise), the EXIF comment of
 * a JPEG or WebP.
 *
 * @throws INVALID_ARGUMENT if the text is too long for JPEG
 */
export function withParameters(file: Buffer, format: ImageFormat, text: string, width: number, height: number): Buffer {
  if (format === 'jpeg') return jpegWithExif(file, writeUserComment(text));
  if (format === 'webp') return webpWithExif(file, writeUserComment(text), width, height);
  return insertChunk(file, textChunk(text));
}

/**
 * The text of a PNG, JPEG or WebP file; `undefined` if it has none, or is of another kind.
 *
 * @throws INVALID_IMAGE if it is a PNG and damaged
 */
export function readParameters(file: Uint8Array): string | undefined {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  const start = bytes.toString('latin1', 0, 12);
  if (start.startsWith('\x89PNG')) return ofPng(bytes);
  const isWebp = start.startsWith('RIFF') && start.endsWith('WEBP');
  const exif = start.startsWith('\xff\xd8') ? exifOfJpeg(bytes) : isWebp ? exifOfWebp(bytes) : undefined;
  return exif && readUserComment(exif);
}

function textChunk(text: string): Chunk {
  const fitsLatin1 = /^[\x00-\xff]*$/.test(text);
  if (fitsLatin1) return { type: 'tEXt', body: Buffer.from(`${keyword}\0${text}`, 'latin1') };
  const noLanguage = '\0\0\0\0'; // nor compression, nor a translated keyword
  return { type: 'iTXt', body: Buffer.from(`${keyword}\0${noLanguage}${text}`, 'utf8') };
}

function ofPng(file: Buffer): string | undefined {
  let text: string | undefined;
  for (const { type, body } of readChunks(file)) {
    const keywordEnd = body.indexOf(0);
    if (!/^(tEXt|zTXt|iTXt)$/.test(type) || body.toString('latin1', 0, keywordEnd) !== keyword) continue;
    if (type === 'tEXt') text = body.toString('latin1', keywordEnd + 1);
    else if (type === 'zTXt') text = inflate(body.subarray(keywordEnd + 2)).toString('latin1');
    else text = ofInternationalText(body, keywordEnd);
  }
  return text;
}

function ofInternationalText(body: Buffer, keywordEnd: number): string {
  const compressed = body[keywordEnd + 1] === 1;
  const languageEnd = body.indexOf(0, keywordEnd + 3);
  const translationEnd = body.indexOf(0, languageEnd + 1);
  if (languageEnd < 0 || translationEnd < 0) throw invalid('the iTXt chunk of the parameters has no text');
  const text = body.subarray(translationEnd + 1);
  return (compressed ? inflate(text) : text).toString('utf8');
}

function inflate(text: Buffer): Buffer {
  try {
    return zlib.inflateSync(text, { maxOutputLength: maxTextBytes });
  } catch (cause) {
    throw invalid('the compressed text of the parameters is damaged or too long', { cause });
  }
}

function invalid(what: string, options?: ErrorOptions): DiffusionError {
  return new DiffusionError('INVALID_IMAGE', `PNG: ${what}`, options);
}
