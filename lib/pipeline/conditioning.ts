/** Prompts as the network reads them: texts to embeddings, embeddings to contexts, which change with the step. */
import type { Context, Model } from '../model/model';
import { type PromptWindows, padWindows, promptWindows } from '../prompt/chunks';
import type { ClipTokenizer } from '../prompt/clip-tokenizer';
import { type EmbeddingCache, embeddingKey } from '../prompt/embedding-cache';
import { type PromptPart, parseNegativePrompt, parsePrompt } from '../prompt/parse-prompt';
import { scheduleIndexAt } from '../prompt/schedule';
import { applyWeights } from '../prompt/weighting';
import type { Direction } from './direction';
import { concatenated, type JointPasses } from './joint-passes';

/** What encodes texts. */
export interface TextStudio {
  model: Model;
  tokenizer: ClipTokenizer;
  embeddings: EmbeddingCache<Float32Array>;
  passes: JointPasses;
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
  private readonly windows_ = new Map<string, PromptWindows>();
  private readonly contexts_ = new Map<string, Encoded>(); // least recently used first

  constructor(
    private readonly studio_: TextStudio,
    { prompts, negativePrompts }: Pick<Direction, 'prompts' | 'negativePrompts'>,
    steps: number,
    private readonly clipSkip_: number,
    private readonly signal_: AbortSignal | undefined,
  ) {
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
      const count = Math.max(...this.textsAt(i, step).map((text) => this.windowsOf(text).count));
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
      const texts = prompts.flatMap(({ prompt, weights, hasNegative }) =>
        this.textsAt(prompt, step).slice(0, weights.length + Number(hasNegative)),
      );
      passes.push({ prompts, ...(await this.contextOf(texts, count, limit)) });
    }
    return passes;
  }

  dispose(): void {
    for (const encoded of this.contexts_.values()) this.free(encoded);
    this.contexts_.clear();
  }

  /** The parts' texts, then the negative prompt's. */
  private textsAt(prompt: number, step: number): string[] {
    const { parts, negative } = this.prompts_[prompt];
    return [...parts, negative].map(({ schedule }) => schedule[scheduleIndexAt(schedule, step)].text);
  }

  private windowsOf(text: string): PromptWindows {
    const known = this.windows_.get(text);
    if (known) return known;
    const windows = promptWindows(text, this.studio_.tokenizer);
    this.windows_.set(text, windows);
    return windows;
  }

  private async contextOf(texts: readonly string[], count: number, limit: number): Promise<Encoded> {
    const key = JSON.stringify([count, texts]);
    const encoded = this.contexts_.get(key) ?? (await this.createContext(texts, count));
    this.contexts_.delete(key);
    this.contexts_.set(key, encoded);
    if (this.contexts_.size > limit) {
      const [oldest, unused] = this.contexts_.entries().next().value!;
      this.contexts_.delete(oldest);
      this.free(unused);
    }
    return encoded;
  }

  private async createContext(texts: readonly string[], count: number): Promise<Encoded> {
    const rows: Float32Array[] = [];
    for (const text of texts) rows.push(await this.embed(text, count));
    const embeddings = concatenated(rows);
    const context = await this.studio_.model.createContext(embeddings, rows.length, this.signal_);
    return { context, embeddings };
  }

  private free({ context }: Encoded): void {
    this.studio_.passes.forget(context);
    context.dispose();
  }

  /** f32 `[count * tokens, width]`: the windows side by side. */
  private async embed(text: string, count: number): Promise<Float32Array> {
    const { model, tokenizer, embeddings } = this.studio_;
    const { ids, weights } = padWindows(this.windowsOf(text), count, tokenizer);
    const raw = await embeddings.get(embeddingKey(ids, this.clipSkip_), () =>
      model.encodeText(ids, count, this.clipSkip_ - 1, this.signal_),
    );
    return applyWeights(raw, weights, count);
  }
}
