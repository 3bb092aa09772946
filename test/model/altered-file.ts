/** Copies of safetensors files with their headers changed. */
import { readFileSync, writeFileSync } from 'node:fs';

/** A header's entries: tensors, and `__metadata__`. */
export type Header = Record<string, { shape: number[]; dtype: string }> & { __metadata__?: unknown };

/** Writes a copy of `source` to `file`, its header changed by `change`; the tensors' bytes keep their place. */
export function writeAltered(source: string, file: string, change: (header: Header) => void): string {
  const bytes = readFileSync(source);
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.subarray(8, 8 + length).toString());
  change(header);
  const text = Buffer.from(JSON.stringify(header));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(text.length));
  writeFileSync(file, Buffer.concat([size, text, bytes.subarray(8 + length)]));
  return file;
}
