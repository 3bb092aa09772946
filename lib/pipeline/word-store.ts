/** The textual inversions of a pipeline: words of prompts that stand for vectors, given or from a folder. */
import { DiffusionError } from '../errors';
import type { ModelInfo } from '../model/model';
import { TextualInversion } from '../model/textual-inversion';
import { namesWord, SpecialWords } from '../prompt/special-words';
import { refuse } from './checks';
import { namedFiles } from './named-files';

export interface WordOptions {
  /** Words beside those of the vocabulary. */
  embeddings?: readonly TextualInversion[];
  /** A folder of textual inversions: the name of a file, without its ending, is the word that it stands for. */
  embeddingsFolder?: string;
}

/** A text encoder, and the vectors that its words have. */
interface Table {
  readonly encoder: 1 | 2;
  readonly vocabularySize: number;
  readonly width: number;
  /** By id, from the first one that no vocabulary has. */
  readonly rows: Float32Array[];
}

const endings = ['.safetensors', '.pt', '.bin'];

export class WordStore {
  /** Splits texts at the words that have been loaded. */
  readonly words: SpecialWords;
  private readonly first_: number; // id
  private readonly tables_: readonly Table[];
  private readonly folder_: string | undefined;
  private readonly loaded_ = new Set<string>(); // words

  /**
   * Throws `INVALID_REQUEST` for options of another type, or vectors of other widths than the model's.
   *
   * @param encoders those that the model's UNet reads
   */
  constructor(
    info: Pick<ModelInfo, 'textEncoder' | 'textEncoder2'>,
    encoders: readonly { number: 1 | 2 }[],
    { embeddings = [], embeddingsFolder }: WordOptions,
  ) {
    this.tables_ = encoders.map(({ number }) => {
      const { vocabularySize, width } = (number === 1 ? info.textEncoder : info.textEncoder2)!;
      return { encoder: number, vocabularySize, width, rows: [] };
    });
    this.first_ = Math.max(...this.tables_.map(({ vocabularySize }) => vocabularySize));
    this.words = new SpecialWords(this.first_);
    if (embeddingsFolder !== undefined && typeof embeddingsFolder !== 'string') {
      refuse('embeddingsFolder', 'a path', embeddingsFolder);
    }
    this.folder_ = embeddingsFolder;
    if (!Array.isArray(embeddings)) refuse('embeddings', 'a list of textual inversions', embeddings);
    embeddings.forEach((embedding, i) => {
      if (!(embedding instanceof TextualInversion)) {
        refuse(`embeddings[${i}]`, 'the result of TextualInversion.load', embedding);
      }
      this.add(embedding);
    });
  }

  /** Loads the words of the folder that a text names. Throws what {@link TextualInversion.load} throws. */
  async prepare(texts: readonly string[]): Promise<void> {
    if (this.folder_ === undefined) return;
    const files = await namedFiles(this.folder_, endings);
    for (const [name, file] of files) {
      const word = name.normalize();
      if (this.loaded_.has(word.toLowerCase()) || !texts.some((text) => namesWord(text, word))) continue;
      const embedding = await TextualInversion.load(file, word);
      if (!this.loaded_.has(word.toLowerCase())) this.add(embedding);
    }
  }

  /**
   * The ids as a text encoder takes them: those of words become rows of `vectors` f32 `[n, width]`, which is undefined where
   * there are none.
   */
  resolve(ids: Int32Array, encoder: 1 | 2): { ids: Int32Array; vectors?: Float32Array } {
    const first = this.first_;
    const used = [...new Set(ids)].filter((id) => id >= first);
    const table = this.tables_.find((each) => each.encoder === encoder);
    if (used.length === 0 || !table) return { ids };
    const { vocabularySize, width, rows } = table;
    const vectors = new Float32Array(used.length * width);
    used.forEach((id, row) => {
      vectors.set(rows[id - first], row * width);
    });
    return { ids: ids.map((id) => (id < first ? id : vocabularySize + used.indexOf(id))), vectors };
  }

  private add({ word, vectors }: TextualInversion): void {
    const wanted = this.tables_.map(({ width }) => width);
    // A refiner reads the second encoder alone, for which a file may have vectors behind those of the first.
    const chosen = wanted.length === 1 ? vectors.filter(({ width }) => width === wanted[0]).slice(0, 1) : vectors;
    const fits = chosen.length === wanted.length && chosen.every(({ width }, i) => width === wanted[i]);
    if (!fits) {
      throw new DiffusionError(
        'INVALID_REQUEST',
        `embedding '${word}': expected vectors of ${wanted.join(' and ')}, as the model's text encoders have them, got ` +
          vectors.map(({ width }) => width).join(' and '),
      );
    }
    const [{ count }] = chosen;
    this.words.add(word, count);
    this.loaded_.add(word.toLowerCase());
    this.tables_.forEach(({ width, rows }, i) => {
      for (let at = 0; at < count; at++) rows.push(chosen[i].values.subarray(at * width, (at + 1) * width));
    });
  }
}
