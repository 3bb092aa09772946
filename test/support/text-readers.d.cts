/** Readers of untrusted bytes, and mutations for them: see text-readers.cjs. */
export interface Reader {
  seeds: Uint8Array[];
  read: (bytes: Uint8Array) => unknown;
}
export const readers: Record<string, Reader>;
export function complaint(reader: Reader, bytes: Uint8Array): Error | undefined;
export function randomFrom(seed: number): (n: number) => number;
export function mutated(seeds: Uint8Array[], random: (n: number) => number): Buffer;
