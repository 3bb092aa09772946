/** EXIF's UserComment, where A1111 keeps the parameters of JPEG and WebP files (CIPA DC-008, "Exif", section 4.6.5). */

const exifIfdTag = 0x8769;
const userCommentTag = 0x9286;
const long = 4; // a TIFF type: four bytes, unsigned
const undefinedType = 7; // another: bytes
const entrySize = 12;
const codeSize = 8; // a comment begins with the name of its character code

/** A TIFF block with one field: a UserComment in UTF-16, big-endian as all of the block. */
export function writeUserComment(text: string): Buffer {
  const comment = Buffer.concat([Buffer.from('UNICODE\0', 'latin1'), Buffer.from(text, 'utf16le').swap16()]);
  const block = Buffer.alloc(44);
  block.write('MM\0*', 'latin1');
  block.writeUInt32BE(8, 4); // where the first directory is
  writeDirectory(block, 8, exifIfdTag, long, { count: 1, value: 26 });
  writeDirectory(block, 26, userCommentTag, undefinedType, { count: comment.length, value: 44 });
  return Buffer.concat([block, comment]);
}

interface Entry {
  count: number;
  /** The value, or where it stands. */
  value: number;
}

/** A directory of one entry: 18 bytes, the last four of which say that no other follows. */
function writeDirectory(block: Buffer, at: number, tag: number, type: number, { count, value }: Entry): void {
  block.writeUInt16BE(1, at);
  block.writeUInt16BE(tag, at + 2);
  block.writeUInt16BE(type, at + 4);
  block.writeUInt32BE(count, at + 6);
  block.writeUInt32BE(value, at + 10);
}

/** The UserComment of a TIFF block; `undefined` if there is none or the block is damaged. */
export function readUserComment(block: Buffer): string | undefined {
  const order = block.toString('latin1', 0, 2);
  if (block.length < 8 || (order !== 'MM' && order !== 'II')) return undefined;
  const littleEndian = order === 'II';
  const exif = findEntry(block, readLong(block, 4, littleEndian), exifIfdTag, littleEndian);
  const comment = exif && findEntry(block, exif.value, userCommentTag, littleEndian);
  if (!comment || comment.count < codeSize || comment.value + comment.count > block.length) return undefined;
  const bytes = block.subarray(comment.value, comment.value + comment.count);
  const text = bytes.subarray(codeSize);
  const code = bytes.toString('latin1', 0, codeSize);
  if (code === 'UNICODE\0') return decodeUtf16(text, littleEndian);
  if (code === 'ASCII\0\0\0' || code === '\0'.repeat(codeSize)) return text.toString('utf8').replace(/\0+$/, '');
  return undefined;
}

function findEntry(block: Buffer, directory: number, tag: number, littleEndian: boolean): Entry | undefined {
  if (directory + 2 > block.length) return undefined;
  const count = readShort(block, directory, littleEndian);
  for (let i = 0; i < count; i++) {
    const at = directory + 2 + i * entrySize;
    if (at + entrySize > block.length) return undefined;
    if (readShort(block, at, littleEndian) !== tag) continue;
    return { count: readLong(block, at + 4, littleEndian), value: readLong(block, at + 8, littleEndian) };
  }
  return undefined;
}

function readShort(block: Buffer, at: number, littleEndian: boolean): number {
  return littleEndian ? block.readUInt16LE(at) : block.readUInt16BE(at);
}

function readLong(block: Buffer, at: number, littleEndian: boolean): number {
  return littleEndian ? block.readUInt32LE(at) : block.readUInt32BE(at);
}

/**
 * UTF-16 of either order. The standard says the block's own, but writers do not agree and the block may be written anew by a third; the
 * settings are ASCII in any language, so the zero bytes tell.
 */
function decodeUtf16(bytes: Buffer, littleEndian: boolean): string {
  const even = Buffer.from(bytes.subarray(0, bytes.length - (bytes.length % 2)));
  const zeros = [0, 0];
  for (const [i, byte] of even.entries()) if (byte === 0) zeros[i % 2]++;
  const little = zeros[0] === zeros[1] ? littleEndian : zeros[1] > zeros[0];
  return (little ? even : even.swap16()).toString('utf16le').replace(/^\ufeff/, '');
}
