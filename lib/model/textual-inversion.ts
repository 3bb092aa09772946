/** A textual inversion (arXiv 2208.01618): vectors that a word stands for in the text encoder's input. */
import path from 'node:path';
import { loadAddon } from '../binding/load';
import { DiffusionError } from '../errors';
import { checkPath } from '../files';
import { callNative } from './cancellation';

/** The vectors that a word stands for in one text encoder. */
export interface WordVectors {
  /** How many tokens the word takes. */
  readonly count: number;
  /** Of the text encoder. */
  readonly width: number;
  /** f32 `[count, width]` */
  readonly values: Float32Array;
}

/** The tensors of files for Stable Diffusion XL, in the order of its text encoders. */
const encoderNames = ['clip_l', 'clip_g'];

/** A textual inversion (arXiv 2208.01618): a word that prompts may use, and what it stands for. */
export class TextualInversion {
  private constructor(
    /** What the prompt calls it; letters of either case. */
    readonly word: string,
    /** For each text encoder of the model that it was made for. */
    readonly vectors: readonly WordVectors[],
  ) {}

  /**
   * Reads an embedding: A1111's (`emb_params`), Stable Diffusion XL's (`clip_l`, `clip_g`), or diffusers' (one tensor under its
   * word).
   *
   * @param word default: the file's name without its ending
   * @throws FILE_NOT_FOUND, FILE_INVALID, UNSUPPORTED_TYPE; UNKNOWN_ARCHITECTURE if it is no embedding
   */
  static async load(file: string, word = path.basename(String(file), path.extname(String(file)))) {
    checkPath(file, 'file');
    if (typeof word !== 'string' || word.trim() === '') throw invalid('word', 'a non-empty string', word);
    const { tensors } = await callNative(undefined, () => loadAddon().readTensors(file));
    const names = Object.keys(tensors);
    const chosen = encoderNames.every((name) => name in tensors)
      ? encoderNames
      : [names.find((name) => /^(emb_params|string_to_param(\.\*)?)$/.test(name)) ?? names[0]];
    const isOne = chosen.length > 1 || names.length === 1 || /^(emb|string)/.test(chosen[0] ?? '');
    const vectors = isOne ? chosen.map((name) => vectorsOf(tensors[name])) : [];
    if (vectors.length === 0 || vectors.some((found) => !found) || vectors[0]!.count !== vectors.at(-1)!.count) {
      const found = names.map((name) => `${name} [${tensors[name].shape.join(', ')}]`).slice(0, 3);
      throw new DiffusionError(
        'UNKNOWN_ARCHITECTURE',
        `${file}: expected a textual inversion (emb_params, clip_l and clip_g, or one tensor [n, width]), got ` +
          `${names.length} tensors: ${found.join(', ')}`,
      );
    }
    return new TextualInversion(word, vectors as WordVectors[]);
  }
}

function vectorsOf({ shape, values }: { shape: number[]; values: Float32Array }): WordVectors | undefined {
  const [count, width] = shape.length === 1 ? [1, shape[0]] : shape;
  if (shape.length === 0 || shape.length > 2 || values.length === 0 || count > 75) return undefined;
  return { count, width, values };
}

function invalid(name: string, expected: string, got: unknown): DiffusionError {
  return new DiffusionError('INVALID_ARGUMENT', `${name}: expected ${expected}, got ${typeof got}`);
}
