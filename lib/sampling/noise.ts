/** Seeded normal noise: the same seed gives the same image, here and in other programs. */
import { DiffusionError } from '../errors';
import { mt19937 } from './mt19937';
import { philox4x32 } from './philox';

/** An integer in 0..2^53 - 1, or a bigint in 0..2^64 - 1. */
export type Seed = number | bigint;

/** A seeded stream of normal noise, as {@link philoxNoise} and {@link torchNoise} give it. */
export interface NoiseSource {
  /** The next `length` values of unit normal noise, in a new array. */
  normal(length: number): Float32Array;
}

/**
 * What torch's CUDA generator draws, and A1111 with the random number source "NV": Philox 4x32-10 with the seed as key
 * and (number of the draw, 0, element, 0) as counter, the first two of the four words through Box and Muller's
 * transform. Equal to torch while a draw has fewer elements than the GPU runs threads for it (a 512 x 512 image has
 * 16,384). Throws `INVALID_REQUEST` for a seed out of range.
 */
export function philoxNoise(seed: Seed): NoiseSource {
  const key = seedWords(seed);
  const counter = new Uint32Array(4);
  const angleStep = Math.fround(2 * Math.PI) * 2 ** -32; // f32, as CUDA has it
  let draw = 0;

  return {
    normal(length) {
      const values = new Float32Array(length);
      for (let i = 0; i < length; i++) {
        counter[0] = draw;
        counter[1] = 0;
        counter[2] = i;
        counter[3] = 0;
        philox4x32(counter, key);
        const uniform = (counter[0] + 0.5) * 2 ** -32;
        values[i] = Math.sqrt(-2 * Math.log(uniform)) * Math.sin((counter[1] + 0.5) * angleStep);
      }
      draw++;
      return values;
    },
  };
}

/**
 * What `torch.randn` draws with a CPU generator, and so diffusers' usual noise: MT19937 (seeded with the low 32 bits,
 * as torch does) and Box and Muller's transform, over blocks of 16 from 16 values on and pair by pair below that.
 * Throws `INVALID_REQUEST` for a seed out of range.
 */
export function torchNoise(seed: Seed): NoiseSource {
  const random = mt19937(seedWords(seed)[0]);
  const short = shortNormals(random);

  return {
    normal(length) {
      const values = new Float32Array(length);
      if (length < 16) return values.map(short);
      fillUniform(values, random);
      for (let start = 0; start + 16 <= length; start += 16) boxMuller16(values.subarray(start, start + 16));
      if (length % 16 !== 0) {
        const tail = values.subarray(length - 16); // drawn anew, over what the last whole block left there
        fillUniform(tail, random);
        boxMuller16(tail);
      }
      return values;
    },
  };
}

/** Draws `perImage` values from each source in turn: image i of a batch has the noise that it has alone. */
export function batchNoise(sources: readonly NoiseSource[], perImage: number): Float32Array {
  const values = new Float32Array(sources.length * perImage);
  sources.forEach((source, i) => {
    values.set(source.normal(perImage), i * perImage);
  });
  return values;
}

/** Returns the seed; throws `INVALID_REQUEST` for one out of range. */
export function checkSeed(seed: Seed): Seed {
  const fits = typeof seed === 'bigint' ? seed >= 0n && seed < 1n << 64n : Number.isSafeInteger(seed) && seed >= 0;
  if (!fits) {
    const expected = 'an integer in 0..2^53 - 1 or a bigint in 0..2^64 - 1';
    throw new DiffusionError('INVALID_REQUEST', `seed: expected ${expected}, got ${String(seed)}`);
  }
  return seed;
}

/** The seed as two 32-bit words, the low one first. */
function seedWords(seed: Seed): Uint32Array {
  const bits = BigInt(checkSeed(seed));
  return Uint32Array.of(Number(bits & 0xffffffffn), Number(bits >> 32n));
}

/** 24 random bits each, in [0, 1). */
function fillUniform(values: Float32Array, random: () => number): void {
  for (let i = 0; i < values.length; i++) values[i] = (random() & 0xffffff) * 2 ** -24;
}

/**
 * Makes 16 uniforms normal in place, pairing value i with value i + 8; rounded to f32 after each operation as torch
 * does.
 */
function boxMuller16(values: Float32Array): void {
  for (let i = 0; i < 8; i++) {
    const radius = Math.fround(Math.sqrt(Math.fround(-2 * Math.fround(Math.log(1 - values[i])))));
    const angle = Math.fround(Math.fround(2 * Math.PI) * values[i + 8]);
    values[i] = radius * Math.fround(Math.cos(angle));
    values[i + 8] = radius * Math.fround(Math.sin(angle));
  }
}

/** Normals one at a time from 53-bit uniforms; the second of each pair waits for the next call, across draws. */
function shortNormals(random: () => number): () => number {
  const uniform = () => ((random() & 0x1fffff) * 2 ** 32 + random()) * 2 ** -53;
  let waiting: number | undefined;
  return () => {
    if (waiting !== undefined) {
      const value = waiting;
      waiting = undefined;
      return value;
    }
    const angle = 2 * Math.PI * uniform();
    const radius = Math.sqrt(-2 * Math.log1p(-uniform()));
    waiting = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  };
}
