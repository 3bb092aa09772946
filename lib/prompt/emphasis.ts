/** Emphasis: which words of a prompt weigh more or less, and where `BREAK` begins a new window. */

import { splitAtKeyword } from './keywords';

/** A stretch of text whose tokens all have one weight. */
export interface WeightedText {
  readonly text: string;
  /** Finite, at most {@link weightLimit} in size; 1 = as it is. */
  readonly weight: number;
}

/** Larger weights are cut: far beyond any use, and products of them stay finite in f32. */
export const weightLimit = 1e6;

const roundFactor = 1.1;
const squareFactor = 1 / 1.1;

// An escape; the explicit weight that closes a round bracket; a bracket; text; what is left over, a colon or a backslash.
const tokenPattern = /\\([()[\]\\:|])|:\s*([+-]?(?:\d+\.?\d*|\.\d+))\s*\)|[()[\]]|[^\\()[\]:]+|[\s\S]/g;

/**
 * `(text)` multiplies the weight by 1.1, `[text]` by 1 / 1.1, `(text:1.5)` by 1.5; brackets nest. A backslash takes
 * its meaning from `( ) [ ] \ : |`. A bracket that is never closed reaches to the end, one that was never opened
 * is text. All as in A1111, except that there `BREAK` within brackets is no break, and `\:` and `\|` keep their backslash.
 *
 * @returns sections, separated in the prompt by `BREAK`, at least one; each a list of non-empty texts, neighbours
 * differing in weight
 */
export function parseEmphasis(prompt: string): WeightedText[][] {
  const texts: string[] = [];
  const breaks: number[] = []; // how many texts stand before each BREAK
  const round = new Brackets(roundFactor);
  const square = new Brackets(squareFactor);

  const add = (text: string) => {
    if (text !== '') texts.push(text);
  };
  for (const [token, escaped, weight] of prompt.matchAll(tokenPattern)) {
    if (escaped !== undefined) add(escaped);
    else if (token === '(') round.open(texts.length);
    else if (token === '[') square.open(texts.length);
    else if (weight !== undefined && round.close(texts.length, Number(weight))) continue;
    else if (token === ')' && round.close(texts.length)) continue;
    else if (token === ']' && square.close(texts.length)) continue;
    else {
      const pieces = splitAtKeyword(token, 'BREAK');
      pieces.forEach((piece, i) => {
        if (i > 0) breaks.push(texts.length);
        const trimmed = i > 0 ? piece.trimStart() : piece;
        add(i < pieces.length - 1 ? trimmed.trimEnd() : trimmed);
      });
    }
  }

  const [roundFactors, squareFactors] = [round.factors(texts.length), square.factors(texts.length)];
  const runs = texts.map((text, i) => ({ text, weight: limit(roundFactors[i] * squareFactors[i]) }));
  return [...breaks, runs.length].map((end, i) => joinEqual(runs.slice(breaks[i - 1] ?? 0, end)));
}

/** The brackets of one kind: round and square ones may cross, but those of one kind nest. */
class Brackets {
  private readonly all_: { readonly start: number; end: number; factor: number }[] = []; // as they were opened
  private readonly open_: number[] = [];

  /** @param defaultFactor of a bracket that says none, or is never closed */
  constructor(private readonly defaultFactor_: number) {}

  open(start: number): void {
    this.open_.push(this.all_.length);
    this.all_.push({ start, end: Number.POSITIVE_INFINITY, factor: this.defaultFactor_ });
  }

  /** Whether there was one to close. */
  close(end: number, factor = this.defaultFactor_): boolean {
    const last = this.open_.pop();
    if (last === undefined) return false;
    Object.assign(this.all_[last], { end, factor });
    return true;
  }

  /** For each of `count` texts, the product of the factors around it; in time linear in brackets and texts. */
  factors(count: number): number[] {
    const around: { end: number; product: number }[] = [];
    let next = 0;
    return Array.from({ length: count }, (_, position) => {
      while (around.length > 0 && around.at(-1)!.end <= position) around.pop();
      for (; next < this.all_.length && this.all_[next].start <= position; next++) {
        const { end, factor } = this.all_[next];
        if (end > position) around.push({ end, product: limit((around.at(-1)?.product ?? 1) * factor) });
      }
      return around.at(-1)?.product ?? 1;
    });
  }
}

function limit(weight: number): number {
  return Math.min(weightLimit, Math.max(-weightLimit, weight));
}

/** Neighbours of equal weight become one text: words that brackets cut in two are tokenized whole. */
function joinEqual(runs: readonly WeightedText[]): WeightedText[] {
  const joined: { texts: string[]; weight: number }[] = [];
  for (const { text, weight } of runs) {
    const last = joined.at(-1);
    if (last?.weight === weight) last.texts.push(text);
    else joined.push({ texts: [text], weight });
  }
  return joined.map(({ texts, weight }) => ({ text: texts.join(''), weight }));
}
