/** The picture that a request begins from: as pixels, as latents, and as what an inpainting UNet sees of it. */
import type { Image } from '../image/image';
import type { ModelInfo } from '../model/model';
import type { LatentCodec } from '../model/vae';
import { latentMask } from './mask';
import { resizePlanes } from './resize';

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
  /** The share of the steps that are taken. */
  readonly strength: number;
}

/** f32 `[3, height, width]` in -1..1, by Lanczos' kernel where the picture has another size. */
export function planesOf({ data, width, height }: Image, to: Size): Float32Array {
  const plane = width * height;
  const planes = new Float32Array(3 * plane);
  for (let i = 0; i < plane; i++) {
    for (let c = 0; c < 3; c++) planes[c * plane + i] = data[3 * i + c] / 127.5 - 1;
  }
  if (width === to.width && height === to.height) return planes;
  return resizePlanes(planes, { height, width }, to, 'lanczos').map((value) => Math.min(1, Math.max(-1, value)));
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
  source: Pick<Source, 'pixels' | 'mask'> | undefined,
  signal?: AbortSignal,
): Promise<Float32Array> {
  const mask = source?.mask ?? new Float32Array(height * width).fill(1);
  const pixels = new Float32Array(3 * height * width);
  if (source?.mask) pixels.set(source.pixels.map((value, i) => (mask[i % mask.length] >= 0.5 ? 0 : value)));
  const latents = await vae.encodeImage(pixels, [1, 3, height, width], signal);
  const small = latentMask(mask, { height, width }, vae.info.vae!.downscale);
  const channels = new Float32Array(small.length + latents.length);
  channels.set(small);
  channels.set(latents, small.length);
  return channels;
}
