/** Remembers what the text encoder made of the last prompts. */

import { DiffusionError } from '../errors';

/**
 * A cache of promises that drops what was not asked for the longest. Those who ask for one key at the same time share one
 * computation.
 */
export class EmbeddingCache<Value> {
  private readonly entries_ = new Map<string, Promise<Value>>(); // least recently used first

  /**
   * @param capacity entries kept. A window of Stable Diffusion 1 takes 231 KiB. Default 64
   * @throws INVALID_ARGUMENT if it is not an integer of at least 1
   */
  constructor(private readonly capacity_ = 64) {
    if (!Number.isInteger(capacity_) || capacity_ < 1) {
      throw new DiffusionError('INVALID_ARGUMENT', `capacity: expected an integer of at least 1, got ${capacity_}`);
    }
  }

  get size(): number {
    return this.entries_.size;
  }

  /**
   * The value of a key, made if it is not there. What comes back is shared: do not write to it. A failure is not kept, and is
   * only its maker's own: others who waited for it try again with their `make`, since one caller's abort is not another's.
   */
  async get(key: string, make: () => Promise<Value>): Promise<Value> {
    for (;;) {
      const known = this.entries_.get(key);
      if (known === undefined) return this.make(key, make);
      this.keep(key, known);
      try {
        return await known;
      } catch {
        // Another caller's failure.
      }
    }
  }

  /** Forgets everything; what is being made still reaches those who wait for it. */
  clear(): void {
    this.entries_.clear();
  }

  private async make(key: string, make: () => Promise<Value>): Promise<Value> {
    const made = Promise.resolve().then(make);
    this.keep(key, made);
    try {
      return await made;
    } catch (error) {
      if (this.entries_.get(key) === made) this.entries_.delete(key);
      throw error;
    }
  }

  private keep(key: string, value: Promise<Value>): void {
    this.entries_.delete(key);
    this.entries_.set(key, value);
    if (this.entries_.size > this.capacity_) this.entries_.delete(this.entries_.keys().next().value!);
  }
}

/**
 * The key of `ids` `[windows, contextLength]` encoded without the last `clipSkip - 1` layers, by a text encoder that is
 * changed as `adapters` names it.
 */
export function embeddingKey(ids: Int32Array, clipSkip: number, adapters = ''): string {
  return `${clipSkip}:${ids.join()}${adapters === '' ? '' : `:${adapters}`}`;
}
