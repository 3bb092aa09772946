/** Pixels to pictures, each with the parameters that made it. */
import { Image } from '../image/image';
import { formatInfotext, type GenerationFacts } from '../image/infotext';
import { seedsOf } from './noise-draws';
import type { ResolvedSampling } from './sampling-request';
import { inSlices, isResting } from './slices';

/** What a picture's parameters say beside its steps and seed; its size where it is not the request's own. */
export type Facts = Omit<
  GenerationFacts,
  'steps' | 'sampler' | 'schedule' | 'seed' | 'width' | 'height' | 'rng' | 'eta' | 'modelHash' | 'version'
> &
  Partial<Pick<GenerationFacts, 'width' | 'height'>>;

/** Pixels f32 `[batchSize, channels, height, width]` in -1..1, `channels` 3 or 1 (grey), to a picture each. */
export async function toImages(
  pixels: Float32Array,
  request: Omit<ResolvedSampling, 'onStep'>,
  factsOf: (picture: number) => Facts,
): Promise<Image[]> {
  const { width, height, steps, batchSize, samplerName: sampler, scheduleName: schedule, rng, eta } = request;
  const size = pixels.length / batchSize;
  const images: Image[] = [];
  for (const [i, seed] of seedsOf(request).entries()) {
    const facts = { steps, sampler, schedule, seed, width, height, rng, eta, ...factsOf(i) };
    const other = { ...facts.other, ...(request.latents && { 'Start latents': 'True' }) };
    const parameters = formatInfotext({ ...facts, other });
    const data = await inSlices(toRgb8(pixels.subarray(i * size, (i + 1) * size), width * height));
    images.push(new Image(width, height, data, parameters));
  }
  return images;
}

/** Planes f32 `[3 or 1, pixels]` in -1..1 -> interleaved bytes. For {@link inSlices}. */
export function* toRgb8(planes: Float32Array, pixels: number): Generator<void, Uint8Array, void> {
  const plane = planes.length === pixels ? 0 : pixels; // a grey plane serves all three
  const data = new Uint8ClampedArray(pixels * 3); // rounds and clamps
  for (let i = 0; i < pixels; i++) {
    if (isResting(i)) yield;
    for (let c = 0; c < 3; c++) data[i * 3 + c] = (planes[c * plane + i] + 1) * 127.5;
  }
  return new Uint8Array(data.buffer);
}
