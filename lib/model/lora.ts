/** A LoRA file in memory: a handle that any number of models and requests share. */
import path from 'node:path';
import { loadAddon } from '../binding/load';
import type { NativeLora } from '../binding/types';
import { checkPath } from '../files';
import { callNative } from './cancellation';

/** What a LoRA file is. */
export interface LoraInfo {
  /** The file's name without its ending. */
  name: string;
  /** As it was given to {@link Lora.load}. */
  path: string;
  /** What its layers are: `lora`, `loha`, `lokr` or `full` differences. */
  kinds: string[];
  /** The highest of its layers; 0 where none has one. */
  rank: number;
  /** Layers of a model that it changes. */
  layers: number;
  tensors: number;
  /** Of its tensors in memory. */
  bytes: number;
  /** The family of models that it is for, as far as the file tells. */
  madeFor?: string;
  /** The tags that it was trained with the most, at most 20, where its training script (kohya's) counted them. */
  trainedWords: string[];
  /** What the file's header says beside the tensors, as it stands there. */
  metadata: Record<string, string>;
}

let nextId = 1;

/** A LoRA file in memory (arXiv 2106.09685), for any number of models and requests at once. */
export class Lora {
  private constructor(
    /** @internal */
    readonly native: NativeLora,
    /** What the file is. */
    readonly info: LoraInfo,
    /** Another for each that is loaded. */
    readonly id: number,
  ) {}

  /**
   * Reads a LoRA: LoRA and LoCon, LoHa, LoKr or full differences, in kohya's, LyCORIS' or diffusers' names.
   *
   * @throws FILE_NOT_FOUND, FILE_INVALID, UNSUPPORTED_TYPE; UNKNOWN_ARCHITECTURE if it is no LoRA or of a kind that is not supported
   */
  static async load(file: string): Promise<Lora> {
    checkPath(file, 'file');
    const native = await callNative(undefined, () => loadAddon().loadLora(file));
    const { madeFor, ...facts } = native.info;
    const info = {
      ...{ name: path.basename(file, path.extname(file)), path: file, ...facts },
      ...(madeFor === '' ? {} : { madeFor }),
      trainedWords: trainedWords(facts.metadata.ss_tag_frequency),
    };
    return new Lora(native, info, nextId++);
  }

  /** Frees its memory, which otherwise goes when it is collected. Requests in flight go on with it; later ones reject with `DISPOSED`. */
  dispose(): void {
    this.native.dispose();
  }
}

/** The most frequent tags of kohya's `{ folder: { tag: count } }`. */
function trainedWords(frequencies: string | undefined): string[] {
  const counts = new Map<string, number>();
  try {
    for (const folder of Object.values(JSON.parse(frequencies ?? '{}'))) {
      for (const [tag, count] of Object.entries(folder as object)) {
        if (typeof count === 'number') counts.set(tag.trim(), (counts.get(tag.trim()) ?? 0) + count);
      }
    }
  } catch {
    return []; // metadata is anybody's
  }
  const sorted = [...counts].sort(([, a], [, b]) => b - a);
  return sorted.slice(0, 20).map(([tag]) => tag);
}
