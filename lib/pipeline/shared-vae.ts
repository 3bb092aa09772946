/** A pipeline's VAE where it is not the model's own: whether it fits, and what the two are together. */
import { DiffusionError, type ErrorCode } from '../errors';
import type { ModelInfo } from '../model/model';
import { type LatentCodec, Vae } from '../model/vae';

/** What the VAE is given as: the option's name, and what a wrong one throws. */
export interface Given {
  readonly name: string;
  readonly code: Extract<ErrorCode, 'INVALID_ARGUMENT' | 'INVALID_REQUEST'>;
}

/** The model with that VAE. Throws where their latents differ. */
export function infoWith(model: ModelInfo, { info }: LatentCodec, given: Given): ModelInfo {
  const vae = info.vae!;
  const channels = model.vae?.latentChannels ?? model.unet?.outChannels;
  if (channels !== undefined && vae.latentChannels !== channels) {
    refuse(given, `latents of ${channels} channels, as the model's UNet has`, vae.latentChannels);
  }
  const scale = model.vae?.scalingFactor;
  // A tiny one knows the UNet's scale by itself.
  if (!vae.tiny && scale !== undefined && !model.vae?.tiny && Math.abs(vae.scalingFactor / scale - 1) > 1e-4) {
    const hint = 'if its file does not say it, load it with { scalingFactor }';
    refuse(given, `a scaling factor of ${shown(scale)}, as the model has (${hint})`, shown(vae.scalingFactor));
  }
  return { ...model, components: { ...model.components, vae: true }, vae };
}

/** Throws unless it is a {@link Vae}. */
export function checkVae(value: unknown, given: Given): asserts value is Vae {
  if (!(value instanceof Vae)) refuse(given, 'a Vae', typeof value);
}

function refuse({ name, code }: Given, expected: string, got: unknown): never {
  throw new DiffusionError(code, `${name}: expected ${expected}, got ${got}`);
}

/** f32 as it was written. */
function shown(value: number): string {
  return String(Number(value.toPrecision(7)));
}
