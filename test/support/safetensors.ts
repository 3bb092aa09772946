/** Reads a fixture's safetensors file: f32 and i32 tensors, and the generator's facts. */
import { readFileSync } from 'node:fs';
import path from 'node:path';

export interface FixtureTensor<T> {
  shape: number[];
  data: T;
}

export interface Fixture {
  f32(name: string): FixtureTensor<Float32Array>;
  i32(name: string): FixtureTensor<Int32Array>;
  has(name: string): boolean;
  // biome-ignore lint/suspicious/noExplicitAny: JSON of the generator
  facts: any;
}

export function readFixture(file: string): Fixture {
  const bytes = readFileSync(file);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const { __metadata__, ...entries } = JSON.parse(bytes.subarray(8, start).toString());
  const buffer = (name: string, dtype: string): ArrayBuffer => {
    const entry = entries[name];
    if (entry?.dtype !== dtype) throw new Error(`${file}: ${name} is ${entry?.dtype ?? 'absent'}, not ${dtype}`);
    const [begin, end] = entry.data_offsets as [number, number];
    return new Uint8Array(bytes.subarray(start + begin, start + end)).buffer;
  };
  return {
    f32: (name) => ({ shape: entries[name]?.shape, data: new Float32Array(buffer(name, 'F32')) }),
    i32: (name) => ({ shape: entries[name]?.shape, data: new Int32Array(buffer(name, 'I32')) }),
    has: (name) => name in entries,
    facts: JSON.parse(__metadata__?.facts ?? '{}'),
  };
}

/** `test/fixtures/networks/...` */
export function networkPath(...parts: string[]): string {
  return path.resolve(__dirname, '..', 'fixtures', 'networks', ...parts);
}

/** `test/fixtures/adapters/...` */
export function adapterPath(...parts: string[]): string {
  return path.resolve(__dirname, '..', 'fixtures', 'adapters', ...parts);
}
