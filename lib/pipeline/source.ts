/** The picture that a request begins from: as pixels, as latents, and as what an inpainting UNet sees of it. */
import type { Image } from '../image/image';
import type { ModelInfo } from '../model/model';
import type { LatentCodec } from '../model/vae';
import { blurred, latentMask, maskOf, nearest } from './mask';
import { resizing } from './resize';
import { inSlices, isResting } from './slices';

interface Size {
  readonly height: number;
  readonly width: number;
}

/** A picture to begin from, at the request's size. */
export interface Source {
  /** f32 `[3, H, W]` in -1..1. */
  readonly pixels: Float32Array;
  /** f32 `[H, W]`, 1 where it is repainted; without a mask all is. */
  readonly mask?: Float32Array;
}

/** White is repainted; over `blur` pixels white goes to black. */
export interface GivenMask {
  readonly image: Image;
  readonly blur: number;
}

/** The same as a request gives it: what has to be computed of it is, in slices, once it is asked for. */
export class GivenSource {
  private source_?: Promise<Source>;

  /** @param strength the share of the steps that are taken */
  constructor(
    private readonly image_: Image,
    private readonly size_: Size,
    readonly strength: number,
    private readonly mask_?: GivenMask,
  ) {}

  get hasMask(): boolean {
    return this.mask_ !== undefined;
  }

  /** Computed once. */
  resolve(): Promise<Source> {
    this.source_ ??= inSlices(this.prepare());
    return this.source_;
  }

  private *prepare(): Generator<void, Source, void> {
    const pixels = yield* planesOf(this.image_, this.size_);
    if (!this.mask_) return { pixels };
    const { image, blur } = this.mask_;
    const mask = yield* nearest(yield* maskOf(image), image, this.size_);
    return { pixels, mask: yield* blurred(mask, this.size_, blur) };
  }
}

/** f32 `[3, height, width]` in -1..1, by Lanczos' kernel where the picture has another size. For {@link inSlices}. */
export function* planesOf({ data, width, height }: Image, to: Size): Generator<void, Float32Array, void> {
  const plane = width * height;
  const planes = new Float32Array(3 * plane);
  for (let i = 0; i < plane; i++) {
    if (isResting(i)) yield;
    for (let c = 0; c < 3; c++) planes[c * plane + i] = data[3 * i + c] / 127.5 - 1;
  }
  if (width === to.width && height === to.height) return planes;
  return yield* resizing(planes, { height, width }, to, 'lanczos', 1);
}

/** Whether the UNet sees a mask and the masked picture beside the latents: 9 channels where latents have 4. */
export function isInpainting({ unet, vae }: ModelInfo): boolean {
  return unet !== undefined && vae !== undefined && unet.inChannels === 2 * vae.latentChannels + 1;
}

/**
 * What an inpainting UNet sees beside the latents, f32 `[1 + C, h, w]`: the mask, and the latents of the picture with grey
 * where it is repainted. Without a source everything is repainted.
 */
export async function inpaintingChannels(
  vae: LatentCodec,
  { height, width }: Size,
  source: Source | undefined,
  signal?: AbortSignal,
): Promise<Float32Array> {
  const mask = source?.mask ?? new Float32Array(height * width).fill(1);
  const pixels = new Float32Array(3 * height * width);
  if (source?.mask) await inSlices(copyUnmasked(source.pixels, mask, pixels));
  const latents = await vae.encodeImage(pixels, [1, 3, height, width], signal);
  const small = await inSlices(latentMask(mask, { height, width }, vae.info.vae!.downscale));
  const channels = new Float32Array(small.length + latents.length);
  channels.set(small);
  channels.set(latents, small.length);
  return channels;
}

function* copyUnmasked(from: Float32Array, mask: Float32Array, to: Float32Array): Generator<void, void, void> {
  for (let i = 0; i < to.length; i++) {
    if (isResting(i)) yield;
    if (mask[i % mask.length] < 0.5) to[i] = from[i];
  }
}
