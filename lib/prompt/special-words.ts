/** Words that stand for vectors of their own (textual inversion, arXiv 2208.01618) instead of the vocabulary's tokens. */

/** A text in pieces: what the vocabulary reads, and the ids of words that it does not have. */
export type TextPiece = string | readonly number[];

export class SpecialWords {
  private readonly ids_ = new Map<string, readonly number[]>(); // by word in lower case
  private pattern_: RegExp | undefined;

  /** @param next_ the first id that is free: the vocabulary's size */
  constructor(private next_: number) {}

  /** Gives a word so many ids. A word that is there already gets new ones: what was made of the old ones is not mixed up. */
  add(word: string, count: number): readonly number[] {
    const ids = Array.from({ length: count }, (_, i) => this.next_ + i);
    this.next_ += count;
    this.ids_.set(word.toLowerCase(), ids);
    this.pattern_ = undefined;
    return ids;
  }

  /**
   * Splits a text at the words, in any case of letters; the longest counts where several begin at one place. A word that
   * begins or ends with a letter or digit is none within a longer one.
   */
  split(text: string): TextPiece[] {
    if (this.ids_.size === 0) return [text];
    this.pattern_ ??= patternOf([...this.ids_.keys()]);
    const pieces: TextPiece[] = [];
    let at = 0;
    for (const { 0: word, index } of text.matchAll(this.pattern_)) {
      if (index > at) pieces.push(text.slice(at, index));
      pieces.push(this.ids_.get(word.toLowerCase()) ?? word); // the pattern folds some rare letters further
      at = index + word.length;
    }
    if (at < text.length) pieces.push(text.slice(at));
    return pieces;
  }
}

/** Whether a text names a word, as {@link SpecialWords.split} finds it. */
export function namesWord(text: string, word: string): boolean {
  return patternOf([word.toLowerCase()]).test(text);
}

function patternOf(words: readonly string[]): RegExp {
  const alternatives = [...words]
    .sort((a, b) => b.length - a.length)
    .map((word) => {
      const escaped = word.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
      const before = /^[\p{L}\p{N}]/u.test(word) ? '(?<![\\p{L}\\p{N}])' : '';
      const after = /[\p{L}\p{N}]$/u.test(word) ? '(?![\\p{L}\\p{N}])' : '';
      return `${before}${escaped}${after}`;
    });
  return new RegExp(alternatives.join('|'), 'giu');
}
