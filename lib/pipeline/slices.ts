/** Long loops in slices, between which the event loop has its turn. */
import { setImmediate } from 'node:timers/promises';

/** Well below what a person or a server notices. */
const sliceMs = 3;

/** Whether work on pixel after pixel, some nanoseconds each, may be left behind pixel `i`. */
export const isResting = (i: number) => i % 8192 === 8191;

let last: Promise<unknown> = Promise.resolve();

/** A turn of the event loop that no other work in slices has. */
function ownTurn(): Promise<unknown> {
  last = last.then(() => setImmediate());
  return last;
}

/** Runs work that yields wherever it may be left for a while; of several works a slice at a time. */
export async function inSlices<T>(work: Generator<void, T, void>): Promise<T> {
  for (;;) {
    await ownTurn();
    const end = performance.now() + sliceMs;
    while (performance.now() < end) {
      const { done, value } = work.next();
      if (done) return value as T;
    }
  }
}

/** The same without leaving it. */
export function atOnce<T>(work: Generator<void, T, void>): T {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value as T;
  }
}
