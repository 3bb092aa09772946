/** Masks: what of a picture is repainted, in pixels and in latents. White is repainted. */
import type { Image } from '../image/image';
import { isResting } from './slices';

interface Size {
  readonly height: number;
  readonly width: number;
}

/** Work for {@link inSlices}, as all that goes over every pixel. */
type Work = Generator<void, Float32Array, void>;

/** How much of each pixel is repainted: f32 `[H, W]`, the mean of its colours in 0..1. */
export function* maskOf({ data, width, height }: Image): Work {
  const mask = new Float32Array(width * height);
  for (let i = 0; i < mask.length; i++) {
    if (isResting(i)) yield;
    mask[i] = (data[3 * i] + data[3 * i + 1] + data[3 * i + 2]) / 765;
  }
  return mask;
}

/** `[from.height, from.width]` -> `[to.height, to.width]`, each the nearest: hard edges stay hard. */
export function* nearest(mask: Float32Array, from: Size, to: Size): Work {
  if (from.width === to.width && from.height === to.height) return mask;
  const resized = new Float32Array(to.width * to.height);
  for (let i = 0; i < resized.length; i++) {
    if (isResting(i)) yield;
    const x = Math.floor((((i % to.width) + 0.5) * from.width) / to.width);
    const y = Math.floor(((Math.floor(i / to.width) + 0.5) * from.height) / to.height);
    resized[i] = mask[y * from.width + x];
  }
  return resized;
}

/** Convolved with a normal distribution; beyond its edges a mask goes on as it ends. `deviation` in pixels. */
export function* blurred(mask: Float32Array, { height, width }: Size, deviation: number): Work {
  if (deviation === 0) return mask;
  const radius = Math.ceil(3 * deviation);
  const raw = Array.from({ length: 2 * radius + 1 }, (_, i) => Math.exp(-0.5 * ((i - radius) / deviation) ** 2));
  const sum = raw.reduce((a, b) => a + b, 0);
  const weights = raw.map((weight) => weight / sum);
  function* blurLines(from: Float32Array, lines: number, length: number, lineStride: number, stride: number): Work {
    const to = new Float32Array(from.length);
    for (let line = 0; line < lines; line++) {
      yield;
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
  }
  return yield* blurLines(yield* blurLines(mask, height, width, width, 1), width, height, 1, width);
}

/** Which latents are repainted, 1 or 0: f32 `[H / factor, W / factor]`, those that any pixel of half white or more falls on. */
export function* latentMask(mask: Float32Array, { height, width }: Size, factor: number): Work {
  const columns = width / factor;
  const latents = new Float32Array((height / factor) * columns);
  for (let i = 0; i < mask.length; i++) {
    if (isResting(i)) yield;
    const [x, y] = [i % width, Math.floor(i / width)];
    if (mask[i] >= 0.5) latents[Math.floor(y / factor) * columns + Math.floor(x / factor)] = 1;
  }
  return latents;
}

/** f32 planes `[C, H, W]`: `drawn` where the mask is 1, `original` where it is 0. */
export function* composite(drawn: Float32Array, original: Float32Array, mask: Float32Array): Work {
  const mixed = new Float32Array(drawn.length);
  for (let i = 0; i < mixed.length; i++) {
    if (isResting(i)) yield;
    const share = mask[i % mask.length];
    mixed[i] = share === 1 ? drawn[i] : share * drawn[i] + (1 - share) * original[i];
  }
  return mixed;
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
