/** Prompts as the network reads them: texts to embeddings, embeddings to contexts, which change with the step. */
import type { AdapterSet, AdapterUse } from '../model/adapters';
import type { Addition, Context } from '../model/model';
import type { PromptWindows } from '../prompt/chunks';
import type { ExtraNetwork } from '../prompt/extra-networks';
import { type PromptPart, parseNegativePrompt, parsePrompt } from '../prompt/parse-prompt';
import { scheduleIndexAt } from '../prompt/schedule';
import type { AdapterStore } from './adapter-store';
import type { Direction } from './direction';
import { concatenated, type JointPasses } from './joint-passes';
import { keepLast } from './keep-last';
import { type PixelSize, type SizeRequest, sizeNumbers } from './size-conditioning';
import { type EncodedRow, encodeWindows, type TextEncoding, windowsFor } from './text-encoders';

/** What makes contexts of texts, and evaluates the network under them. */
export interface TextStudio extends TextEncoding {
  passes: JointPasses;
  adapters: AdapterStore;
}

/** What a run's conditioning depends on beside its prompts. */
export interface ConditioningRequest {
  readonly steps: number;
  readonly clipSkip: number;
  readonly sizes: SizeRequest;
  /** The size that is drawn. */
  readonly pixels: PixelSize;
  /** The request's own; the pipeline's where undefined. */
  readonly adapters?: readonly AdapterUse[];
  /** Whether LoRAs that the prompts name are for another network. */
  readonly ignoresNamed?: boolean;
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

/** Prompts whose texts have as many windows, and that name the same LoRAs: one pass of the network, rows in the order of the prompts. */
export interface Pass extends Encoded {
  readonly prompts: readonly PromptRows[];
}

interface Encoded {
  readonly context: Context;
  /** f32 `[rows, tokens, width]`: what the context was made of. */
  readonly embeddings: Float32Array;
  /** The same of what a UNet takes beside them. */
  readonly addition?: Addition;
  /** What the networks are changed by. */
  readonly adapters?: AdapterSet;
}

/** A row of a context. */
interface Row {
  readonly text: string;
  readonly isNegative: boolean;
}

interface ScheduledPrompt {
  readonly parts: readonly PromptPart[];
  readonly negative: PromptPart;
  readonly networks: readonly ExtraNetwork[];
}

/** Contexts kept at once, beside those of a step: an alternating prompt comes back to its own, and a long edit does not fill the memory. */
export const contextLimit = 8;

/** The conditioning of a run of so many steps. Its contexts are native memory: `dispose` it. */
export class Conditioning {
  private readonly prompts_: readonly ScheduledPrompt[];
  private readonly windows_ = new Map<string, readonly PromptWindows[]>(); // of each encoder
  private readonly contexts_ = new Map<string, Encoded>(); // least recently used first
  private sets_: Promise<readonly (AdapterSet | undefined)[]> | undefined; // by prompt

  constructor(
    private readonly studio_: TextStudio,
    { prompts, negativePrompts }: Pick<Direction, 'prompts' | 'negativePrompts'>,
    private readonly request_: ConditioningRequest,
  ) {
    const { steps } = request_;
    this.prompts_ = prompts.map((prompt, i) => {
      const { parts, extraNetworks } = parsePrompt(prompt, steps);
      return { parts, negative: parseNegativePrompt(negativePrompts[i], steps).parts[0], networks: extraNetworks };
    });
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
    this.sets_ ??= this.load();
    const sets = await this.sets_;
    const groups = new Map<string, { count: number; indices: number[] }>();
    this.prompts_.forEach((_, i) => {
      const count = Math.max(...this.rowsAt(i, step).map(({ text }) => this.windowsOf(text)[0].count));
      const key = `${count} ${sets[i]?.name}`;
      groups.set(key, { count, indices: [...(groups.get(key)?.indices ?? []), i] });
    });
    // A step may ask twice, with negative prompts and without.
    const limit = Math.max(contextLimit, 2 * groups.size);
    const passes: Pass[] = [];
    for (const { count, indices } of groups.values()) {
      const prompts = indices.map((prompt) => ({
        ...{ prompt, weights: this.weights(prompt) },
        hasNegative: wantsNegative(prompt),
      }));
      const rows = prompts.flatMap(({ prompt, weights, hasNegative }) =>
        this.rowsAt(prompt, step).slice(0, weights.length + Number(hasNegative)),
      );
      passes.push({ prompts, ...(await this.contextOf(rows, count, limit, sets[indices[0]])) });
    }
    return passes;
  }

  dispose(): void {
    for (const encoded of this.contexts_.values()) this.free(encoded);
    this.contexts_.clear();
  }

  /** Loads what the prompts name -> the LoRAs of each. */
  private async load(): Promise<(AdapterSet | undefined)[]> {
    const { adapters, words } = this.studio_;
    const texts = this.prompts_.flatMap(({ parts, negative }) => [...parts, negative]);
    await words.prepare(texts.flatMap(({ schedule }) => schedule.map(({ text }) => text)));
    const sets: (AdapterSet | undefined)[] = [];
    const { adapters: own, ignoresNamed } = this.request_;
    for (const { networks } of this.prompts_) sets.push(await adapters.setOf(own, ignoresNamed ? [] : networks));
    return sets;
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
    const windows = windowsFor(text, this.studio_);
    this.windows_.set(text, windows);
    return windows;
  }

  private async contextOf(rows: readonly Row[], count: number, limit: number, adapters?: AdapterSet): Promise<Encoded> {
    const key = JSON.stringify([count, rows, adapters?.name]);
    const encoded = this.contexts_.get(key) ?? (await this.createContext(rows, count, adapters));
    const unused = keepLast(this.contexts_, key, encoded, limit);
    if (unused) this.free(unused);
    return encoded;
  }

  private async createContext(rows: readonly Row[], count: number, adapters?: AdapterSet): Promise<Encoded> {
    const { model } = this.studio_;
    const encoded: EncodedRow[] = [];
    for (const row of rows) encoded.push(await this.embed(row, count, adapters));
    const embeddings = concatenated(encoded.map((row) => row.embeddings));
    const addition = this.additionOf(rows, encoded);
    const { signal } = this.request_;
    const context = await model.createContext(embeddings, rows.length, signal, addition ?? null, adapters);
    return { context, embeddings, ...(addition && { addition }), ...(adapters && { adapters }) };
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

  private async embed({ text, isNegative }: Row, count: number, adapters?: AdapterSet): Promise<EncodedRow> {
    const { clipSkip, signal } = this.request_;
    const row = await encodeWindows(this.studio_, this.windowsOf(text), count, clipSkip, signal, adapters);
    if (!isNegative || text !== '' || !this.studio_.model.info.zeroEmptyNegative) return row;
    return {
      embeddings: new Float32Array(row.embeddings.length),
      ...(row.pooled && { pooled: new Float32Array(row.pooled.length) }),
    };
  }
}
