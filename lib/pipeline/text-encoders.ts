/** A model's text encoders, one or two, seen as one: a text's windows become embeddings that lie side by side. */
import type { AdapterSet } from '../model/adapters';
import type { EncodedText, Model, ModelInfo } from '../model/model';
import { type PromptWindows, padWindows, promptWindows } from '../prompt/chunks';
import type { ClipTokenizer } from '../prompt/clip-tokenizer';
import { type EmbeddingCache, embeddingKey } from '../prompt/embedding-cache';
import { applyWeights } from '../prompt/weighting';
import type { WordStore } from './word-store';

/** One of a model's encoders, with the tokenizer whose padding it knows. */
export interface TextEncoder {
  readonly number: 1 | 2;
  readonly tokenizer: ClipTokenizer;
}

/** What encodes texts. */
export interface TextEncoding {
  readonly model: Model;
  /** One or two. */
  readonly encoders: readonly TextEncoder[];
  /** What the encoders made of windows, in their order. */
  readonly embeddings: EmbeddingCache<readonly EncodedText[]>;
  /** Words that stand for vectors. */
  readonly words: WordStore;
}

/** What a text has become. */
export interface EncodedRow {
  /** f32 `[windows * tokens, width]`, the width being that of all encoders. */
  readonly embeddings: Float32Array;
  /** f32 `[pooledWidth]` of the first window, as in A1111; emphasis is not in it. */
  readonly pooled?: Float32Array;
}

/** Which encoders a model's UNet reads; none where their widths are not its own. Both in Stable Diffusion XL, the second one in its refiner. */
export function encodersOf({ unet, textEncoder, textEncoder2 }: ModelInfo): (1 | 2)[] {
  if (!unet?.addition) return [1];
  const [first, second] = [textEncoder?.width ?? 0, textEncoder2?.width ?? 0];
  if (first > 0 && unet.contextWidth === first + second) return [1, 2];
  return unet.contextWidth === second ? [2] : [];
}

/** The windows of a text, for each encoder; as many for each. */
export function windowsFor(
  text: string,
  { encoders, words }: Pick<TextEncoding, 'encoders' | 'words'>,
): PromptWindows[] {
  return encoders.map(({ tokenizer }) => promptWindows(text, tokenizer, words.words));
}

/**
 * A text's windows, padded to `count`, through the encoders. Emphasis is applied to each encoder's embeddings by itself.
 *
 * @param clipSkip 1 takes an encoder's last layer
 * @param adapters what the encoders are changed by
 */
export async function encodeWindows(
  { model, encoders, embeddings, words }: TextEncoding,
  windows: readonly PromptWindows[],
  count: number,
  clipSkip: number,
  signal: AbortSignal | undefined,
  adapters?: AdapterSet,
): Promise<EncodedRow> {
  const padded = windows.map((each, i) => padWindows(each, count, encoders[i].tokenizer));
  const encoded = await embeddings.get(embeddingKey(padded[0].ids, clipSkip, adapters?.textName), async () => {
    const made: EncodedText[] = [];
    for (const [i, { ids: written }] of padded.entries()) {
      const { number } = encoders[i];
      const { ids, vectors } = words.resolve(written, number);
      made.push(await model.encodeTextWith(number, ids, count, clipSkip - 1, signal, { adapters, vectors }));
    }
    return made;
  });
  const weighted = encoded.map((each, i) => applyWeights(each.embeddings, padded[i].weights, count));
  const { pooled } = encoded.at(-1)!;
  return {
    embeddings: sideBySide(weighted, padded[0].ids.length),
    ...(pooled && { pooled: pooled.slice(0, pooled.length / count) }),
  };
}

/** Rows of one map followed by those of the next: f32 `[rows, width]` each -> `[rows, sum of the widths]`. */
export function sideBySide(maps: readonly Float32Array[], rows: number): Float32Array {
  if (maps.length === 1) return maps[0];
  const joined = new Float32Array(maps.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (let row = 0; row < rows; row++) {
    for (const map of maps) {
      const width = map.length / rows;
      joined.set(map.subarray(row * width, (row + 1) * width), at);
      at += width;
    }
  }
  return joined;
}
