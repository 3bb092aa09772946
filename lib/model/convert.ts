/** Writes a model as one file in other number formats. */
import { availableParallelism } from 'node:os';
import { loadAddon } from '../binding/load';
import type { NativeConversionResult as ConversionResult } from '../binding/types';
import { DiffusionError } from '../errors';
import { checkPath } from '../files';
import { callNative, withProgress } from './cancellation';

export type { ConversionResult };

/** A number format for tensors of certain names. */
export interface ConversionRule {
  /** Of tensor names as diffusers has them behind `unet.`, `vae.` or `text_encoder.`; `*` stands for any characters. */
  pattern: string;
  /** As {@link ConvertOptions.type}. */
  type: string;
}

/** What {@link convertModel} writes, and how. */
export interface ConvertOptions {
  /**
   * Number format of the weights of linear layers and convolutions: `auto` keeps the file's, else `f32`, `f16`, `bf16` or, in GGUF
   * files, a ggml quantised type such as `q8_0` or `q4_k`. Default `auto`.
   */
  type?: string;
  /** Types of single tensors; the first rule that matches a name counts, and one that matches none is an error. Default none. */
  rules?: readonly ConversionRule[];
  /** A file or folder whose VAE takes the place of the model's own. */
  vae?: string;
  /** Threads, 1 to 512. The file does not depend on it. Default: as many as the machine runs at once. */
  threads?: number;
  /** Hears how much is done, 0 to 1. What it throws ends the conversion, which rejects with it. */
  onProgress?: (fraction: number) => void;
  /** Stops the conversion, which then rejects with `ABORTED`. */
  signal?: AbortSignal;
}

/**
 * Writes the model at `input`, of any format that {@link Model.load} reads, as one GGUF or safetensors file, by the ending of `output`.
 * Quantised weights are those that loading the model in that precision makes; norms, biases and positions stay f32 or f16. The file is a
 * whole model: the configuration, the tokenizer's merges and the request's defaults are in its metadata. It is written beside `output`
 * and put in place when it is complete, so that a failure leaves what was there.
 *
 * @throws INVALID_ARGUMENT for a bad option; FILE_NOT_FOUND, FILE_INVALID, UNKNOWN_ARCHITECTURE, MISSING_COMPONENT or UNSUPPORTED_TYPE for
 * a model that cannot be read; FILE_NOT_WRITABLE; ABORTED
 */
export async function convertModel(
  input: string,
  output: string,
  options: ConvertOptions = {},
): Promise<ConversionResult> {
  checkPath(input, 'input');
  checkPath(output, 'output');
  const { type = 'auto', rules = [], vae, threads = availableParallelism(), onProgress, signal } = options;
  if (typeof type !== 'string') throw invalid('type', 'a string', type);
  if (!Array.isArray(rules)) throw invalid('rules', 'an array', rules);
  for (const rule of rules) {
    const complete = typeof rule?.pattern === 'string' && typeof rule.type === 'string';
    if (!complete) throw invalid('rules', 'objects with the strings pattern and type', rule);
  }
  if (vae !== undefined) checkPath(vae, 'vae');
  if (!Number.isInteger(threads) || threads < 1 || threads > 512)
    throw invalid('threads', 'an integer in 1..512', threads);
  if (onProgress !== undefined && typeof onProgress !== 'function')
    throw invalid('onProgress', 'a function', onProgress);

  return withProgress(signal, onProgress, (stops, report) =>
    callNative(stops, (cancellation) =>
      loadAddon().convert(input, output, { type, rules, vae: vae ?? '', threads }, cancellation, report),
    ),
  );
}

function invalid(name: string, expected: string, got: unknown): DiffusionError {
  const shown = typeof got === 'number' || typeof got === 'string' ? JSON.stringify(got) : typeof got;
  return new DiffusionError('INVALID_ARGUMENT', `${name}: expected ${expected}, got ${shown}`);
}
