/** Where JPEG and WebP files keep their EXIF block: enough to put one in and to find one, without decoding. */
import { DiffusionError } from '../errors';

const exifName = Buffer.from('Exif\0\0', 'latin1');
const mostSegmentBytes = 65535; // of a JPEG segment, with the two that say so
const startOfScan = 0xda;
const app1 = 0xe1;

/**
 * A JPEG file with an EXIF block in front of all else.
 *
 * @throws INVALID_ARGUMENT if the block does not fit a JPEG segment
 */
export function jpegWithExif(file: Buffer, exif: Buffer): Buffer {
  const size = 2 + exifName.length + exif.length;
  if (size > mostSegmentBytes) {
    throw new DiffusionError(
      'INVALID_ARGUMENT',
      `parameters: expected at most ${mostSegmentBytes} bytes as EXIF, which is what JPEG can hold, got ${size}: save as PNG or WebP`,
    );
  }
  const head = Buffer.from([0xff, app1, size >> 8, size & 0xff]);
  return Buffer.concat([file.subarray(0, 2), head, exifName, exif, file.subarray(2)]);
}

/** The EXIF block of a JPEG file, if there is one before the pixels. */
export function exifOfJpeg(file: Buffer): Buffer | undefined {
  let at = 2;
  while (at + 4 <= file.length && file[at] === 0xff) {
    const marker = file[at + 1];
    if (marker === startOfScan) return undefined;
    const end = at + 2 + file.readUInt16BE(at + 2);
    const body = file.subarray(at + 4, end);
    if (marker === app1 && body.subarray(0, exifName.length).equals(exifName)) return body.subarray(exifName.length);
    at = end;
  }
  return undefined;
}

/** A simple WebP file (pixels without alpha, nothing else) as an extended one with an EXIF block. */
export function webpWithExif(file: Buffer, exif: Buffer, width: number, height: number): Buffer {
  const features = Buffer.alloc(10);
  features[0] = 0x08; // there is EXIF
  features.writeUIntLE(width - 1, 4, 3);
  features.writeUIntLE(height - 1, 7, 3);
  const body = Buffer.concat([riffChunk('VP8X', features), file.subarray(12), riffChunk('EXIF', exif)]);
  const head = Buffer.alloc(12);
  head.write('RIFF', 'latin1');
  head.writeUInt32LE(body.length + 4, 4);
  head.write('WEBP', 8, 'latin1');
  return Buffer.concat([head, body]);
}

/** The EXIF block of a WebP file, if it has one. */
export function exifOfWebp(file: Buffer): Buffer | undefined {
  for (let at = 12; at + 8 <= file.length; ) {
    const size = file.readUInt32LE(at + 4);
    const body = file.subarray(at + 8, at + 8 + size);
    if (file.toString('latin1', at, at + 4) === 'EXIF') {
      const named = body.subarray(0, exifName.length).equals(exifName); // as some writers have it, after JPEG's manner
      return named ? body.subarray(exifName.length) : body;
    }
    at += 8 + size + (size % 2);
  }
  return undefined;
}

function riffChunk(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(8);
  head.write(type, 'latin1');
  head.writeUInt32LE(body.length, 4);
  return Buffer.concat([head, body, Buffer.alloc(body.length % 2)]);
}
