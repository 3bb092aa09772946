/** A prompt of any length as windows of tokens: what the text encoder reads, each window by itself. */

import type { ClipTokenizer } from './clip-tokenizer';
import { parseEmphasis, type WeightedText } from './emphasis';
import type { SpecialWords } from './special-words';

/** The windows of one text. */
export interface PromptWindows {
  /** At least 1. */
  readonly count: number;
  /** `[count, contextLength]`: start, tokens, end, padding. */
  readonly ids: Int32Array;
  /** `[count, contextLength]`: the weight of each token; 1 for start, end and padding. */
  readonly weights: Float32Array;
}

export interface WeightedToken {
  readonly id: number;
  readonly weight: number;
}

/** A1111's default: so many tokens may move to the next window, for the sake of a cut behind a comma. */
export const commaBacktrack = 20;

/**
 * The windows of a text with emphasis and `BREAK`, one of those that {@link parseSchedule} yields. A window takes
 * `contextLength - 2` tokens, 75 in CLIP; nothing is left out.
 *
 * @param words words that have ids beyond the vocabulary, one for each of their vectors
 */
export function promptWindows(text: string, tokenizer: ClipTokenizer, words?: SpecialWords): PromptWindows {
  const sections = parseEmphasis(text).map((runs) => runs.flatMap((run) => encodeRun(run, tokenizer, words)));
  const [comma, ...rest] = tokenizer.encode(',');
  const room = tokenizer.contextLength - 2;
  return pack(layOutWindows(sections, room, rest.length === 0 ? comma : undefined), tokenizer);
}

/** As many windows as wanted: those of an empty text follow, as in A1111's "pad prompt/negative prompt to be same length". */
export function padWindows(windows: PromptWindows, count: number, tokenizer: ClipTokenizer): PromptWindows {
  const missing = count - windows.count;
  if (missing <= 0) return windows;
  const empty = pack(Array<WeightedToken[]>(missing).fill([]), tokenizer);
  return {
    count,
    ids: Int32Array.from([...windows.ids, ...empty.ids]),
    weights: Float32Array.from([...windows.weights, ...empty.weights]),
  };
}

/**
 * Deals tokens out to windows. Each section begins a window of its own, so that sections without tokens make empty windows, except
 * at the end. Where a window is full and goes on with anything but a comma, the tokens behind its last comma move to
 * the next one, if they are less than {@link commaBacktrack}.
 *
 * @param room tokens in a window
 * @param comma the id of the comma, if it has one
 * @returns at least one window
 */
export function layOutWindows(
  sections: readonly (readonly WeightedToken[])[],
  room: number,
  comma: number | undefined,
): WeightedToken[][] {
  const windows: WeightedToken[][] = [];
  let current: WeightedToken[] = [];
  sections.forEach((tokens, section) => {
    if (section > 0) {
      windows.push(current);
      current = [];
    }
    for (const token of tokens) {
      if (current.length === room) {
        const lastComma = token.id === comma ? -1 : current.findLastIndex(({ id }) => id === comma);
        const cut = lastComma >= 0 && room - lastComma <= commaBacktrack ? lastComma + 1 : room;
        windows.push(current.slice(0, cut));
        current = current.slice(cut);
      }
      current.push(token);
    }
  });
  if (current.length > 0 || windows.length === 0) windows.push(current);
  return windows;
}

function encodeRun({ text, weight }: WeightedText, tokenizer: ClipTokenizer, words?: SpecialWords): WeightedToken[] {
  const pieces = words ? words.split(text) : [text];
  const ids = pieces.flatMap((piece) => (typeof piece === 'string' ? tokenizer.encode(piece) : piece));
  return ids.map((id) => ({ id, weight }));
}

function pack(windows: readonly (readonly WeightedToken[])[], tokenizer: ClipTokenizer): PromptWindows {
  const length = tokenizer.contextLength;
  const ids = new Int32Array(windows.length * length);
  const weights = new Float32Array(windows.length * length).fill(1);
  windows.forEach((tokens, window) => {
    ids.set(tokenizer.window(tokens.map(({ id }) => id)), window * length);
    tokens.forEach(({ weight }, i) => {
      weights[window * length + 1 + i] = weight;
    });
  });
  return { count: windows.length, ids, weights };
}
