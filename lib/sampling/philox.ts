/** Philox 4x32-10, a random number generator without state: a counter and a key give 128 random bits. */

const rounds = 10;
const multiplier0 = 0xd2511f53;
const multiplier1 = 0xcd9e8d57;

/**
 * Replaces `counter` `[4]` by the random bits of (`counter`, `key` `[2]`). Salmon et al., "Parallel random numbers", SC
 * 2011.
 */
export function philox4x32(counter: Uint32Array, key: Readonly<Uint32Array>): void {
  let [c0, c1, c2, c3] = counter;
  let [key0, key1] = key;
  for (let round = 0; round < rounds; round++) {
    const high0 = multiplyHigh(c0, multiplier0);
    const high1 = multiplyHigh(c2, multiplier1);
    const low0 = Math.imul(c0, multiplier0);
    c0 = high1 ^ c1 ^ key0;
    c1 = Math.imul(c2, multiplier1);
    c2 = high0 ^ c3 ^ key1;
    c3 = low0;
    key0 = (key0 + 0x9e3779b9) | 0;
    key1 = (key1 + 0xbb67ae85) | 0;
  }
  counter[0] = c0;
  counter[1] = c1;
  counter[2] = c2;
  counter[3] = c3;
}

/** The upper 32 bits of a 32 x 32 bit product, from 16-bit halves since a double holds only 53 bits. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const upper = aHigh * bLow + ((aLow * bLow) >>> 16);
  const lower = aLow * bHigh + (upper % 0x10000);
  return aHigh * bHigh + Math.floor(upper / 0x10000) + Math.floor(lower / 0x10000);
}
