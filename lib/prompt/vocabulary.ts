/** The vocabulary of a CLIP text encoder: which ids bytes, merges and special tokens have. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { DiffusionError } from '../errors';

/** Wherever symbol `left` stands before symbol `right`, the two may become `merged`. */
export interface Merge {
  readonly left: number;
  readonly right: number;
  readonly merged: number;
}

/**
 * The ids follow from the merges alone: 256 bytes, the same bytes at the end of a word, what each merge makes in the
 * order of the merges, and the two special tokens (as in the code published with Radford et al. 2021, "Learning
 * Transferable Visual Models From Natural Language Supervision").
 */
export interface Vocabulary {
  /** Every token by its id, spelt in CLIP's printable characters; `</w>` marks the end of a word. */
  readonly tokens: readonly string[];
  /** In the order in which they were learnt: a merge's index is its rank. */
  readonly merges: readonly Merge[];
  readonly startToken: number;
  readonly endToken: number;
}

/** How the special tokens are written, in a vocabulary as in a prompt. */
export const startText = '<|startoftext|>';
export const endText = '<|endoftext|>';

const endOfWord = '</w>';
const clipMergeCount = 49152 - 256 - 2; // CLIP's own choice of OpenAI's 262,144 merges; our copy of the file ends there
const mergeLimit = 2 ** 20;

// A token spells a byte as the Latin-1 character if that prints, and otherwise as a character from U+0100 upwards.
// Printable bytes have the first ids.
const allBytes = Array.from({ length: 256 }, (_, byte) => byte);
const isPrintable = (byte: number) => (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
const printableBytes = allBytes.filter(isPrintable);
const otherBytes = allBytes.filter((byte) => !isPrintable(byte));
const byteOfId = Uint8Array.from([...printableBytes, ...otherBytes]);
const byteSpellings = [...printableBytes, ...otherBytes.map((_, index) => 0x100 + index)].map((code) =>
  String.fromCharCode(code),
);
const idOfByte = new Uint8Array(256);
byteOfId.forEach((byte, id) => {
  idOfByte[byte] = id;
});
const idOfSpelling = new Map(byteSpellings.map((spelling, id) => [spelling, id]));

/** The symbols that merging starts from: one a UTF-8 byte, the last with the end-of-word mark. */
export function symbolsOf(word: string): number[] {
  const symbols = Array.from(Buffer.from(word, 'utf8'), (byte) => idOfByte[byte]);
  if (symbols.length > 0) symbols[symbols.length - 1] += 256;
  return symbols;
}

/** The UTF-8 bytes that a token (not a special one) stands for; a space follows the end of a word. */
export function bytesOf(token: string): number[] {
  const endsWord = token.endsWith(endOfWord);
  const spelling = endsWord ? token.slice(0, -endOfWord.length) : token;
  const bytes = Array.from(spelling, (character) => byteOfId[idOfSpelling.get(character)!]);
  if (endsWord) bytes.push(0x20);
  return bytes;
}

/**
 * Builds the vocabulary of a model that brings its own merges.
 *
 * @param text one merge a line, "left right", first learnt first; a first line that begins with `#version` is skipped
 * @throws INVALID_VOCABULARY if a line is not two symbols, or a symbol is neither a byte nor made by a merge
 */
export function vocabularyFromMerges(text: string): Vocabulary {
  const lines = text.split(/\r?\n/);
  const headerLines = lines[0].startsWith('#version') ? 1 : 0;
  if (lines.at(-1) === '') lines.pop();
  return buildVocabulary(lines.slice(headerLines), headerLines + 1);
}

let clipVocabulary: Vocabulary | undefined;

/**
 * OpenAI's vocabulary of 49408 tokens, which every Stable Diffusion text encoder uses; read once.
 *
 * @throws FILE_NOT_FOUND or FILE_INVALID if the package's own copy of the merges is missing or damaged
 */
export function loadClipVocabulary(): Vocabulary {
  clipVocabulary ??= buildVocabulary(readClipMerges(), 2);
  return clipVocabulary;
}

function readClipMerges(): string[] {
  const path = join(__dirname, '..', '..', 'assets', 'bpe_simple_vocab_16e6.txt.gz');
  let packed: Buffer;
  try {
    packed = readFileSync(path);
  } catch (cause) {
    throw new DiffusionError('FILE_NOT_FOUND', `the CLIP vocabulary could not be read from ${path}`, { cause });
  }
  try {
    return gunzipSync(packed)
      .toString('utf8')
      .split('\n', clipMergeCount + 1)
      .slice(1);
  } catch (cause) {
    throw new DiffusionError('FILE_INVALID', `the CLIP vocabulary in ${path} is damaged`, { cause });
  }
}

function buildVocabulary(lines: readonly string[], firstLineNumber: number): Vocabulary {
  if (lines.length > mergeLimit) {
    throw new DiffusionError('INVALID_VOCABULARY', `expected at most ${mergeLimit} merges, got ${lines.length}`);
  }
  const pairs = lines.map((line, index) => {
    const parts = line.split(' ');
    if (parts.length === 2 && parts[0] !== '' && parts[1] !== '') return parts;
    const shown = JSON.stringify(line.slice(0, 80));
    throw new DiffusionError(
      'INVALID_VOCABULARY',
      `line ${index + firstLineNumber} of the merges: expected two symbols with a space between, got ${shown}`,
    );
  });
  const tokens = [
    ...byteSpellings,
    ...byteSpellings.map((spelling) => spelling + endOfWord),
    ...pairs.map(([left, right]) => left + right),
    startText,
    endText,
  ];
  const idOfToken = new Map(tokens.map((token, id) => [token, id]));
  const merges = pairs.map((pair, index): Merge => {
    const [left, right] = pair.map((symbol) => {
      const id = idOfToken.get(symbol);
      if (id !== undefined && id < tokens.length - 2) return id;
      const shown = JSON.stringify(symbol.slice(0, 80));
      throw new DiffusionError(
        'INVALID_VOCABULARY',
        `line ${index + firstLineNumber} of the merges: ${shown} is neither a byte nor made by another merge`,
      );
    });
    return { left, right, merged: idOfToken.get(pair[0] + pair[1])! };
  });
  return { tokens, merges, startToken: tokens.length - 2, endToken: tokens.length - 1 };
}
