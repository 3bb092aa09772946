// A small seeded source of random choices, so that picture i of a set depends on nothing but the seed and i.

export class Random {
  #state;

  /** @param seed any integers, mixed into one 32-bit state */
  constructor(...seed) {
    this.#state = seed.reduce((state, n) => Math.imul(state ^ n, 0x9e3779b1) ^ (state >>> 15), 0x2545f491) >>> 0;
  }

  /** The next number in [0, 1): mulberry32 (Tommy Ettinger, public domain). */
  next() {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }

  chance(probability) {
    return this.next() < probability;
  }

  pick(values) {
    return values[Math.floor(this.next() * values.length)];
  }

  /** @param odds pairs [value, probability], probabilities summing to 1 */
  weighted(odds) {
    let left = this.next();
    for (const [value, probability] of odds) {
      left -= probability;
      if (left < 0) return value;
    }
    return odds[odds.length - 1][0];
  }

  /** A shuffled copy. */
  shuffle(values) {
    const result = [...values];
    for (let i = result.length - 1; i > 0; i--) {
      const j = Math.floor(this.next() * (i + 1));
      [result[i], result[j]] = [result[j], result[i]];
    }
    return result;
  }
}
