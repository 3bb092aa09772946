/** Byte-pair encoding: joins the symbols of a word two by two, in the order in which the pairs were learnt. */

import { symbolsOf, type Vocabulary } from './vocabulary';

/** The rank of a pair of symbols (0 = learnt first), or undefined where the two never join. */
export type RankOf = (left: number, right: number) => number | undefined;

const cacheCapacity = 4096;
const longestCachedWord = 64;

/** Symbol ids and ranks stay below 2^21, so that a pair, or a rank beside a 32-bit position, is one exact double. */
export const symbolLimit = 2 ** 21;
const positionSpan = 2 ** 32;

/** Encodes words with the merges of one vocabulary, and remembers the words that it met. */
export class Bpe {
  private readonly ranks_ = new Map<number, number>();
  private readonly merged_: readonly number[];
  private readonly cache_ = new Map<string, readonly number[]>();

  constructor(vocabulary: Vocabulary) {
    for (const [rank, { left, right }] of vocabulary.merges.entries()) {
      this.ranks_.set(left * symbolLimit + right, rank);
    }
    this.merged_ = vocabulary.merges.map(({ merged }) => merged);
  }

  /** The ids of a word. What is a word is the caller's business; its last byte carries the end-of-word mark. */
  encode(word: string): readonly number[] {
    const known = this.cache_.get(word);
    if (known) return known;
    const ids = mergeSymbols(symbolsOf(word), this.rankOf, this.merged_);
    if (word.length <= longestCachedWord) {
      if (this.cache_.size >= cacheCapacity) this.cache_.clear();
      this.cache_.set(word, ids);
    }
    return ids;
  }

  readonly rankOf: RankOf = (left, right) => this.ranks_.get(left * symbolLimit + right);
}

/**
 * Joins the pair of lowest rank, leftmost first, until no pair of neighbours has a rank.
 *
 * The symbols form a linked list and the candidate pairs a heap, so that a word of n symbols takes O(n log n) time: a
 * pair is looked up once for each neighbourhood at the start and at most twice after each of the at most n - 1 joins.
 *
 * @param merged the symbol that the pair of each rank becomes
 */
export function mergeSymbols(symbols: ArrayLike<number>, rankOf: RankOf, merged: ArrayLike<number>): number[] {
  const count = symbols.length;
  const symbol = Int32Array.from(symbols);
  const previous = Int32Array.from({ length: count }, (_, position) => position - 1);
  const next = Int32Array.from({ length: count }, (_, position) => position + 1);
  const rankAt = new Int32Array(count).fill(-1); // of the pair that begins at a position: -1 if it never joins
  const candidates = new MinHeap();

  const consider = (position: number) => {
    const rank = next[position] < count ? rankOf(symbol[position], symbol[next[position]]) : undefined;
    rankAt[position] = rank ?? -1;
    if (rank !== undefined) candidates.push(rank * positionSpan + position);
  };

  for (let position = 0; position < count - 1; position++) consider(position);
  for (let key = candidates.pop(); key !== undefined; key = candidates.pop()) {
    const rank = Math.floor(key / positionSpan);
    const position = key % positionSpan;
    if (rankAt[position] !== rank) continue; // a neighbour has joined since
    const right = next[position];
    symbol[position] = merged[rank];
    rankAt[right] = -1;
    next[position] = next[right];
    if (next[right] < count) previous[next[right]] = position;
    consider(position);
    if (previous[position] >= 0) consider(previous[position]);
  }

  const joined: number[] = [];
  for (let position = 0; position < count; position = next[position]) joined.push(symbol[position]);
  return joined;
}

/** A binary heap of numbers, smallest first. */
class MinHeap {
  private readonly keys_: number[] = [];

  push(key: number): void {
    const keys = this.keys_;
    let hole = keys.push(key) - 1;
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      if (keys[parent] <= key) break;
      keys[hole] = keys[parent];
      hole = parent;
    }
    keys[hole] = key;
  }

  pop(): number | undefined {
    const keys = this.keys_;
    const smallest = keys[0];
    const last = keys.pop();
    if (last === undefined || keys.length === 0) return smallest;
    let hole = 0;
    for (let child = 1; child < keys.length; child = 2 * hole + 1) {
      if (child + 1 < keys.length && keys[child + 1] < keys[child]) child++;
      if (keys[child] >= last) break;
      keys[hole] = keys[child];
      hole = child;
    }
    keys[hole] = last;
    return smallest;
  }
}
