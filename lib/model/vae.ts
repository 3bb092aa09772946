/** A VAE of its own, which any number of pipelines share. */
import path from 'node:path';
import { DiffusionError } from '../errors';
import { Model, type ModelInfo, type ModelOptions, type PlanesShape } from './model';

/** How {@link Vae.load} loads. */
export interface VaeOptions extends ModelOptions {
  /** Of a file that does not say it: 0.18215 for Stable Diffusion 1 and 2 (default), 0.13025 for SDXL. */
  scalingFactor?: number;
}

/** What turns latents into pixels and back: a {@link Vae}, or a whole model. */
export type LatentCodec = Pick<Model, 'info' | 'decodeLatents' | 'encodeImage'>;

/**
 * A loaded VAE: AutoencoderKL, or a tiny autoencoder (TAESD), which is many times as fast and coarser. Pipelines that have it do not own
 * it: dispose of it when none of them needs it any more.
 */
export class Vae implements LatentCodec {
  private constructor(
    private readonly model_: Model,
    /** Of its file or folder; it goes into the pictures' parameters. */
    readonly name: string,
  ) {}

  /**
   * Loads a VAE from its own file or folder, or out of a whole model's.
   *
   * @throws what {@link Model.load} throws; MISSING_COMPONENT if there is no VAE in it
   */
  static async load(file: string, options: VaeOptions = {}): Promise<Vae> {
    const { scalingFactor } = options;
    if (scalingFactor !== undefined && !(Number.isFinite(scalingFactor) && scalingFactor > 0)) {
      throw new DiffusionError('INVALID_ARGUMENT', `scalingFactor: expected a number above 0, got ${scalingFactor}`);
    }
    return new Vae(await Model.load(file, { ...options, only: 'vae' }), path.basename(file));
  }

  /** What the file is; `info.vae` is there. */
  get info(): ModelInfo {
    return this.model_.info;
  }

  /** As {@link Model.decodeLatents}. */
  decodeLatents(latents: Float32Array, shape: PlanesShape, signal?: AbortSignal): Promise<Float32Array> {
    return this.model_.decodeLatents(latents, shape, signal);
  }

  /** As {@link Model.encodeImage}. */
  encodeImage(pixels: Float32Array, shape: PlanesShape, signal?: AbortSignal): Promise<Float32Array> {
    return this.model_.encodeImage(pixels, shape, signal);
  }

  /** Frees the weights. Calls that run or wait reject with `DISPOSED`, as do all later ones. Harmless when repeated. */
  dispose(): Promise<void> {
    return this.model_.dispose();
  }

  /** As `dispose`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}
