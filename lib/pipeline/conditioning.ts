/** Prompts as the network reads them: texts to embeddings, embeddings to contexts, which change with the step. */
import type { Addition, Context } from '../model/model';
import type { PromptWindows } from '../prompt/chunks';
import { type PromptPart, parseNegativePrompt, parsePrompt } from '../prompt/parse-prompt';
import { scheduleIndexAt } from '../prompt/schedule';
import type { Direction } from './direction';
import { concatenated, type JointPasses } from './joint-passes';
import { type PixelSize, type SizeRequest, sizeNumbers } from './size-conditioning';
import { type EncodedRow, encodeWindows, type TextEncoding, windowsFor } from './text-encoders';

/** What makes contexts of texts, and evaluates the network under them. */
export interface TextStudio extends TextEncoding {
  passes: JointPasses;
}

/** What a run's conditioning depends on beside its prompts. */
export interface ConditioningRequest {
  readonly steps: number;
  readonly clipSkip: number;
  readonly sizes: SizeRequest;
  /** The size that is drawn. */
  readonly pixels: PixelSize;
  readonly signal?: AbortSignal;
}

/** A prompt at a step: rows for its parts, then one for the negative prompt if that is wanted. */
export interface PromptRows {
  /** Its index among the prompts. */
  readonly prompt: number;
  /** Of the prompts joined by `AND`. */
  readonly weights: readonly number[];
  readonly hasNegative: boolean;
}

/** Prompts whose texts have as many windows: one pass of the network, rows in the order of the prompts. */
export interface Pass extends Encoded {
  readonly prompts: readonly PromptRows[];
}

interface Encoded {
  readonly context: Context;
  /** f32 `[rows, tokens, width]`: what the context was made of. */
  readonly embeddings: Float32Array;
  /** The same of what a UNet takes beside them. */
  readonly addition?: Addition;
}

/** A row of a context. */
interface Row {
  readonly text: string;
  readonly isNegative: boolean;
}

interface ScheduledPrompt {
  readonly parts: readonly PromptPart[];
  readonly negative: PromptPart;
}

/** Contexts kept at once, beside those of a step: an alternating prompt comes back to its own, and a long edit does not fill the memory. */
const contextLimit = 8;

/** The conditioning of a run of so many steps. Its contexts are native memory: `dispose` it. */
export class Conditioning {
  private readonly prompts_: readonly ScheduledPrompt[];
  private readonly windows_ = new Map<string, readonly PromptWindows[]>(); // of each encoder
  private readonly contexts_ = new Map<string, Encoded>(); // least recently used first

  constructor(
    private readonly studio_: TextStudio,
    { prompts, negativePrompts }: Pick<Direction, 'prompts' | 'negativePrompts'>,
    private readonly request_: ConditioningRequest,
  ) {
    const { steps } = request_;
    this.prompts_ = prompts.map((prompt, i) => ({
      parts: parsePrompt(prompt, steps).parts,
      negative: parseNegativePrompt(negativePrompts[i], steps).parts[0],
    }));
  }

  /** The weights of a prompt's parts. */
  weights(prompt: number): number[] {
    return this.prompts_[prompt].parts.map(({ weight }) => weight);
  }

  /**
   * The passes that a step takes, counted from 1. A prompt's texts are padded to the longest of them, negative prompt included,
   * whether or not it is wanted: no other prompt and no guidance changes what a prompt's rows are.
   */
  async passes(step: number, wantsNegative: (prompt: number) => boolean): Promise<Pass[]> {
    const byCount = new Map<number, number[]>();
    this.prompts_.forEach((_, i) => {
      const count = Math.max(...this.rowsAt(i, step).map(({ text }) => this.windowsOf(text)[0].count));
      byCount.set(count, [...(byCount.get(count) ?? []), i]);
    });
    // A step may ask twice, with negative prompts and without.
    const limit = Math.max(contextLimit, 2 * byCount.size);
    const passes: Pass[] = [];
    for (const [count, indices] of byCount) {
      const prompts = indices.map((prompt) => ({
        ...{ prompt, weights: this.weights(prompt) },
        hasNegative: wantsNegative(prompt),
      }));
      const rows = prompts.flatMap(({ prompt, weights, hasNegative }) =>
        this.rowsAt(prompt, step).slice(0, weights.length + Number(hasNegative)),
      );
      passes.push({ prompts, ...(await this.contextOf(rows, count, limit)) });
    }
    return passes;
  }

  dispose(): void {
    for (const encoded of this.contexts_.values()) this.free(encoded);
    this.contexts_.clear();
  }

  /** The parts, then the negative prompt. */
  private rowsAt(prompt: number, step: number): Row[] {
    const { parts, negative } = this.prompts_[prompt];
    return [...parts, negative].map(({ schedule }, i) => ({
      text: schedule[scheduleIndexAt(schedule, step)].text,
      isNegative: i === parts.length,
    }));
  }

  private windowsOf(text: string): readonly PromptWindows[] {
    const known = this.windows_.get(text);
    if (known) return known;
    const windows = windowsFor(text, this.studio_.encoders);
    this.windows_.set(text, windows);
    return windows;
  }

  private async contextOf(rows: readonly Row[], count: number, limit: number): Promise<Encoded> {
    const key = JSON.stringify([count, rows]);
    const encoded = this.contexts_.get(key) ?? (await this.createContext(rows, count));
    this.contexts_.delete(key);
    this.contexts_.set(key, encoded);
    if (this.contexts_.size > limit) {
      const [oldest, unused] = this.contexts_.entries().next().value!;
      this.contexts_.delete(oldest);
      this.free(unused);
    }
    return encoded;
  }

  private async createContext(rows: readonly Row[], count: number): Promise<Encoded> {
    const { model } = this.studio_;
    const encoded: EncodedRow[] = [];
    for (const row of rows) encoded.push(await this.embed(row, count));
    const embeddings = concatenated(encoded.map((row) => row.embeddings));
    const addition = this.additionOf(rows, encoded);
    const context = await model.createContext(embeddings, rows.length, this.request_.signal, addition ?? null);
    return { context, embeddings, ...(addition && { addition }) };
  }

  private additionOf(rows: readonly Row[], encoded: readonly EncodedRow[]): Addition | undefined {
    const takes = this.studio_.model.info.unet?.addition;
    if (!takes) return undefined;
    const { sizes, pixels } = this.request_;
    return {
      pooled: concatenated(encoded.map((row) => row.pooled!)),
      sizeNumbers: Float32Array.from(
        rows.flatMap(({ isNegative }) => sizeNumbers(sizes, takes.sizeNumbers, pixels, isNegative)),
      ),
    };
  }

  private free({ context }: Encoded): void {
    this.studio_.passes.forget(context);
    context.dispose();
  }

  private async embed({ text, isNegative }: Row, count: number): Promise<EncodedRow> {
    const { clipSkip, signal } = this.request_;
    const row = await encodeWindows(this.studio_, this.windowsOf(text), count, clipSkip, signal);
    if (!isNegative || text !== '' || !this.studio_.model.info.zeroEmptyNegative) return row;
    return {
      embeddings: new Float32Array(row.embeddings.length),
      ...(row.pooled && { pooled: new Float32Array(row.pooled.length) }),
    };
  }
}
