/** CLIP's tokenizer: turns a prompt into token ids, and ids back into text. */

import { DiffusionError } from '../errors';
import { Bpe } from './bpe';
import { bytesOf, endText, startText, type Vocabulary } from './vocabulary';

/** What differs between CLIP's tokenizers beside their vocabulary. */
export interface ClipTokenizerOptions {
  /** Fills a window after its end token. Default: the end token, as in CLIP ViT-L (SD 1); OpenCLIP-H (SD 2) has 0. */
  readonly padToken?: number;
  /** Tokens in a window, start and end included. Default 77. */
  readonly contextLength?: number;
}

/** A prompt as the ids of one window. */
export interface EncodedPrompt {
  /** `[contextLength]`: start, tokens, end, padding. */
  readonly ids: Int32Array;
  /** How many tokens of the prompt did not fit and were left out at its end; 0 if all fitted. */
  readonly truncated: number;
}

// Written as it is the special token itself, which this splits off and keeps.
const specialPattern = /(<\|startoftext\|>|<\|endoftext\|>)/;

// Words as CLIP cuts them. `\p{White_Space}` instead of `\s`: JavaScript's `\s` lacks U+0085 and has U+FEFF in excess.
const wordPattern =
  /<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\p{White_Space}\p{L}\p{N}]+/gu;

/**
 * The byte-level BPE tokenizer of CLIP, equal to the `tokenizers` pipeline behind transformers' `CLIPTokenizer`: NFC,
 * lower case, words, merges.
 *
 * Letters, digits and composition are those of the Unicode version that Node carries. They differ from the reference
 * only for characters younger than the reference's tables (Unicode 16 for letters and digits, Unicode 9 for the
 * composition and order of combining marks).
 */
export class ClipTokenizer {
  readonly startToken: number;
  readonly endToken: number;
  /** Fills a window after its end token. */
  readonly padToken: number;
  /** Tokens in a window, start and end included. */
  readonly contextLength: number;
  private readonly bpe_: Bpe;

  /** @throws INVALID_ARGUMENT if `padToken` is not in the vocabulary, or `contextLength` is less than 2 */
  constructor(
    private readonly vocabulary_: Vocabulary,
    options: ClipTokenizerOptions = {},
  ) {
    this.startToken = vocabulary_.startToken;
    this.endToken = vocabulary_.endToken;
    this.padToken = options.padToken ?? this.endToken;
    this.contextLength = options.contextLength ?? 77;
    this.bpe_ = new Bpe(vocabulary_);
    this.checkToken('padToken', this.padToken);
    if (!Number.isInteger(this.contextLength) || this.contextLength < 2) {
      throw invalid('contextLength', 'an integer of at least 2', this.contextLength);
    }
  }

  /**
   * All tokens of a text, without start, end, padding or truncation. A special token written out in the text becomes
   * that token; an unpaired surrogate is read as U+FFFD.
   *
   * @throws INVALID_ARGUMENT if the text is not a string
   */
  encode(text: string): number[] {
    if (typeof text !== 'string') throw invalid('text', 'a string', text);
    const ids: number[] = [];
    for (const part of text.split(specialPattern)) {
      if (part === startText) ids.push(this.startToken);
      else if (part === endText) ids.push(this.endToken);
      else for (const word of wordsOf(part)) for (const id of this.bpe_.encode(word)) ids.push(id);
    }
    return ids;
  }

  /** The one window of a prompt; tokens beyond its `contextLength - 2` are left out at the end, and counted. */
  encodePrompt(text: string): EncodedPrompt {
    const tokens = this.encode(text);
    const kept = tokens.slice(0, this.contextLength - 2);
    return { ids: this.window(kept), truncated: tokens.length - kept.length };
  }

  /**
   * Lays out a window `[contextLength]`: start, tokens, end, padding.
   *
   * @throws INVALID_ARGUMENT if there are more than `contextLength - 2` tokens
   */
  window(tokens: readonly number[]): Int32Array {
    const room = this.contextLength - 2;
    if (tokens.length > room) throw invalid('tokens', `at most ${room} tokens`, tokens.length);
    const ids = new Int32Array(this.contextLength).fill(this.padToken);
    ids[0] = this.startToken;
    ids.set(tokens, 1);
    ids[tokens.length + 1] = this.endToken;
    return ids;
  }

  /**
   * The text of some tokens: lower-case, a space after each word, start and end tokens left out, and U+FFFD for bytes
   * that are not UTF-8.
   *
   * @throws INVALID_ARGUMENT if an id is not in the vocabulary
   */
  decode(ids: Iterable<number>): string {
    const bytes: number[] = [];
    for (const id of ids) {
      this.checkToken('ids', id);
      if (id === this.startToken || id === this.endToken) continue;
      for (const byte of bytesOf(this.vocabulary_.tokens[id])) bytes.push(byte);
    }
    return Buffer.from(bytes).toString('utf8').replace(/ $/, '');
  }

  private checkToken(name: string, id: number): void {
    const size = this.vocabulary_.tokens.length;
    if (!Number.isInteger(id) || id < 0 || id >= size) throw invalid(name, `token ids from 0 to ${size - 1}`, id);
  }
}

function* wordsOf(text: string): Generator<string> {
  // The reference lowers each character by itself; JavaScript would make a capital sigma at a word's end a final one.
  const lowered = text.normalize('NFC').replaceAll('Σ', 'σ').toLowerCase();
  for (const [word] of lowered.matchAll(wordPattern)) {
    // A special token in capitals is no special token, but it still ends a word; the reference then cuts it in three.
    if (word === startText || word === endText) yield* ['<|', word.slice(2, -2), '|>'];
    else yield word;
  }
}

function invalid(name: string, expected: string, actual: unknown): DiffusionError {
  const shown = typeof actual === 'number' ? actual : typeof actual;
  return new DiffusionError('INVALID_ARGUMENT', `${name}: expected ${expected}, got ${shown}`);
}
