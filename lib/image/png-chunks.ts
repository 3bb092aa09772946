/** The container of a PNG file: a signature, then chunks of length, type, body and CRC. */

import * as zlib from 'node:zlib';
import { DiffusionError } from '../errors';

export interface Chunk {
  /** Four letters; the first is a capital if a reader must understand the chunk. */
  readonly type: string;
  readonly body: Buffer;
}

const signature = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');
const framing = 12; // bytes of a chunk beside its body

/** A whole file from its chunks. */
export function writeChunks(chunks: readonly Chunk[]): Buffer {
  return Buffer.concat([signature, ...chunks.map(writeChunk)]);
}

/** The file with a chunk behind its header; the others, megabytes as a rule, are taken as they are. */
export function insertChunk(file: Buffer, chunk: Chunk): Buffer {
  const [header] = readChunks(file);
  const end = signature.length + header.body.length + framing;
  return Buffer.concat([file.subarray(0, end), writeChunk(chunk), file.subarray(end)]);
}

function writeChunk({ type, body }: Chunk): Buffer {
  const bytes = Buffer.alloc(body.length + framing);
  bytes.writeUInt32BE(body.length, 0);
  bytes.write(type, 4, 'latin1');
  bytes.set(body, 8);
  bytes.writeUInt32BE(crc32(bytes.subarray(4, -4)), body.length + 8);
  return bytes;
}

/**
 * The chunks of a file up to and with IEND; what follows that is ignored.
 *
 * @throws INVALID_IMAGE if the signature, a length or a CRC is wrong, or the file ends before IEND
 */
export function* readChunks(file: Buffer): Generator<Chunk> {
  if (!file.subarray(0, signature.length).equals(signature))
    throw invalid('the file does not begin with a PNG signature');
  for (let start = signature.length; ; ) {
    const rest = file.length - start - framing;
    if (rest < 0) throw invalid(`the file ends at byte ${file.length}, before its IEND chunk`);
    const length = file.readUInt32BE(start);
    const type = file.toString('latin1', start + 4, start + 8);
    if (!/^[A-Za-z]{4}$/.test(type)) throw invalid(`expected a chunk of four letters at byte ${start + 4}`);
    if (length > rest) throw invalid(`the ${type} chunk claims ${length} bytes, and the file has ${rest} more`);
    const end = start + 8 + length;
    const stored = file.readUInt32BE(end);
    const actual = crc32(file.subarray(start + 4, end));
    if (stored !== actual) throw invalid(`the ${type} chunk at byte ${start} is damaged: its CRC does not agree`);
    yield { type, body: file.subarray(start + 8, end) };
    if (type === 'IEND') return;
    start = end + 4;
  }
}

const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit++) remainder = (remainder >>> 1) ^ (remainder & 1 ? 0xedb88320 : 0);
  return remainder;
});

/** CRC-32 as in PNG and gzip, for Node before 20.15, whose zlib does not offer its own. */
export function crc32ByTable(bytes: Uint8Array): number {
  let remainder = 0xffffffff;
  for (const byte of bytes) remainder = crcTable[(remainder ^ byte) & 0xff] ^ (remainder >>> 8);
  return ~remainder >>> 0;
}

const crc32: (bytes: Uint8Array) => number = zlib.crc32 ?? crc32ByTable;

function invalid(what: string): DiffusionError {
  return new DiffusionError('INVALID_IMAGE', `PNG: ${what}`);
}
