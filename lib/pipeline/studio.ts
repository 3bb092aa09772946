/** What a pipeline works with, and how requests find that of another pipeline. */
import type { ModelInfo } from '../model/model';
import type { LatentCodec } from '../model/vae';
import type { TextStudio } from './conditioning';

/** What a request needs beside itself. */
export interface Studio extends TextStudio {
  /** The model's, with the VAE in use. */
  info: ModelInfo;
  /** The model's own VAE, or a shared one. */
  vae: LatentCodec;
  /** A tiny one for previews. */
  preview?: LatentCodec;
  /** Goes into the pictures' parameters. */
  modelName: string;
}

const studios = new WeakMap<object, Studio>();

/** Makes a pipeline's studio known to {@link studioOf}. */
export function registerStudio(pipeline: object, studio: Studio): void {
  studios.set(pipeline, studio);
}

/** The studio of a pipeline; undefined for anything else. */
export function studioOf(pipeline: unknown): Studio | undefined {
  return typeof pipeline === 'object' && pipeline !== null ? studios.get(pipeline) : undefined;
}
