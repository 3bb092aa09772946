/** Masks: what of a picture is repainted, in pixels and in latents. White is repainted. */
import type { Image } from '../image/image';

interface Size {
  readonly height: number;
  readonly width: number;
}

/** How much of each pixel is repainted: f32 `[H, W]`, the mean of its colours in 0..1. */
export function maskOf({ data, width, height }: Image): Float32Array {
  const mask = new Float32Array(width * height);
  for (let i = 0; i < mask.length; i++) mask[i] = (data[3 * i] + data[3 * i + 1] + data[3 * i + 2]) / 765;
  return mask;
}

/** Convolved with a normal distribution; beyond its edges a mask goes on as it ends. `deviation` in pixels. */
export function blurred(mask: Float32Array, { height, width }: Size, deviation: number): Float32Array {
  if (deviation === 0) return mask;
  const radius = Math.ceil(3 * deviation);
  const raw = Array.from({ length: 2 * radius + 1 }, (_, i) => Math.exp(-0.5 * ((i - radius) / deviation) ** 2));
  const sum = raw.reduce((a, b) => a + b, 0);
  const weights = raw.map((weight) => weight / sum);
  const blurLines = (from: Float32Array, lines: number, length: number, lineStride: number, stride: number) => {
    const to = new Float32Array(from.length);
    for (let line = 0; line < lines; line++) {
      for (let i = 0; i < length; i++) {
        let total = 0;
        for (let j = -radius; j <= radius; j++) {
          const at = Math.min(Math.max(i + j, 0), length - 1);
          total += weights[j + radius] * from[line * lineStride + at * stride];
        }
        to[line * lineStride + i * stride] = total;
      }
    }
    return to;
  };
  return blurLines(blurLines(mask, height, width, width, 1), width, height, 1, width);
}

/** Which latents are repainted, 1 or 0: f32 `[H / factor, W / factor]`, those that any pixel of half white or more falls on. */
export function latentMask(mask: Float32Array, { height, width }: Size, factor: number): Float32Array {
  const columns = width / factor;
  const latents = new Float32Array((height / factor) * columns);
  mask.forEach((value, i) => {
    const [x, y] = [i % width, Math.floor(i / width)];
    if (value >= 0.5) latents[Math.floor(y / factor) * columns + Math.floor(x / factor)] = 1;
  });
  return latents;
}

/** f32 planes `[C, H, W]`: `drawn` where the mask is 1, `original` where it is 0. */
export function composite(drawn: Float32Array, original: Float32Array, mask: Float32Array): Float32Array {
  return drawn.map((value, i) => {
    const share = mask[i % mask.length];
    return share === 1 ? value : share * value + (1 - share) * original[i];
  });
}

/** What a mask holds to the original while the rest is drawn. */
export interface Kept {
  /** f32 `[h, w]`, 1 where latents are repainted and 0 where they are kept. */
  readonly mask: Float32Array;
  /** f32 `[C, h, w]`: the original. */
  readonly latents: Float32Array;
  /** f32 `[N, C, h, w]`: the noise that the kept latents have in them, the same all the way. */
  readonly noise: Float32Array;
}

/** `x` `[N, C, h, w]` at level `sigma`, with the original at that level where it is kept. */
export function keepLatents(x: Float32Array, { mask, latents, noise }: Kept, sigma: number): Float32Array {
  return x.map((value, i) =>
    mask[i % mask.length] === 1 ? value : latents[i % latents.length] + (sigma === 0 ? 0 : sigma * noise[i]),
  );
}
