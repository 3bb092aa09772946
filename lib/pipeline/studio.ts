/** What a pipeline works with, and how requests find that of another pipeline. */
import type { TextStudio } from './conditioning';

/** What a request needs beside itself. */
export interface Studio extends TextStudio {
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
