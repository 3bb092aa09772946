/** Values with typed arrays in them as bytes, and back: a checksum, the JSON's length, JSON, then the arrays' own bytes. */
import { createHash } from 'node:crypto';
import { DiffusionError } from '../errors';

const sealBytes = 32; // of SHA-256
const mostDigits = 40; // seeds have 20, and a text of millions would take minutes

type Packed = Float32Array | Uint8Array;

interface Reference {
  $array: 'f32' | 'u8';
  offset: number;
  length: number;
}

/** Objects, lists, strings, finite numbers, booleans, bigints, Float32Arrays and Uint8Arrays. Undefined options are left out. */
export function pack(value: unknown): Uint8Array {
  const arrays: Packed[] = [];
  let offset = 0;
  const text = JSON.stringify(value, (_key, part) => {
    if (typeof part === 'bigint') return { $bigint: String(part) };
    if (!(part instanceof Float32Array) && !(part instanceof Uint8Array)) return part;
    const reference = { $array: part instanceof Float32Array ? 'f32' : 'u8', offset, length: part.length };
    arrays.push(part);
    offset += part.byteLength;
    return reference;
  });
  const json = Buffer.from(text);
  const head = Buffer.alloc(8);
  head.writeBigUInt64LE(BigInt(json.length));
  // Every machine that the addon runs on is little-endian.
  const bodies = arrays.map(({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength));
  return sealed([head, json, ...bodies]);
}

/** The bytes behind their SHA-256, by which {@link unpack} tells damaged ones. */
export function sealed(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat([sha256(parts), ...parts]));
}

function sha256(parts: readonly Uint8Array[]): Buffer {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
}

/** Throws `FILE_INVALID` for bytes that {@link pack} did not write, or not all of them. */
export function unpack(bytes: Uint8Array): unknown {
  try {
    const [seal, buffer] = [
      bytes.subarray(0, sealBytes),
      Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).subarray(sealBytes),
    ];
    if (!sha256([buffer]).equals(seal)) throw new RangeError('the checksum is that of other bytes');
    const start = 8 + Number(buffer.readBigUInt64LE(0));
    if (start > buffer.length) throw new RangeError('the text is cut off');
    const body = buffer.subarray(start);
    let end = 0; // of the arrays so far: none may share bytes, so that they are no larger than the file
    return JSON.parse(buffer.toString('utf8', 8, start), (_key, part) => {
      if (typeof part?.$bigint === 'string') return integer(part.$bigint);
      if (part?.$array === undefined) return part;
      if (!(part.offset >= end)) throw new RangeError('arrays overlap');
      const array = arrayAt(body, part);
      end = part.offset + array.byteLength;
      return array;
    });
  } catch (cause) {
    throw new DiffusionError(
      'FILE_INVALID',
      'saved: expected the bytes of a saved run, got others, damaged ones or not all of them',
      {
        cause,
      },
    );
  }
}

function integer(digits: string): bigint {
  if (digits.length > mostDigits) throw new RangeError('a number is too long');
  return BigInt(digits);
}

function arrayAt(body: Buffer, { $array, offset, length }: Reference): Packed {
  const size = $array === 'f32' ? 4 * length : length;
  if (!(offset >= 0 && length >= 0 && offset + size <= body.length)) throw new RangeError('an array is cut off');
  const bytes = new Uint8Array(body.subarray(offset, offset + size)); // a copy, aligned
  return $array === 'u8' ? bytes : new Float32Array(bytes.buffer);
}
