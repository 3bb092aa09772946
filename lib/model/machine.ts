/** How fast this machine multiplies, and which ggml this build has: what measurements are read with. */
import { loadAddon } from '../binding/load';
import type { NativeOperations } from '../binding/types';
import { callNative } from './cancellation';

/** By the numbers that are multiplied: counts of operations, two a multiply-add, or operations a second. */
export type Operations = NativeOperations;

/**
 * Operations a second of multiply-adds on registers alone, all threads together; 0 where the CPU has no such products. The best of what
 * `seconds` for each kind show.
 *
 * @throws ABORTED
 */
export function measurePeaks(threads: number, seconds = 0.3, signal?: AbortSignal): Promise<Operations> {
  return callNative(signal, (cancellation) => loadAddon().measurePeaks(threads, seconds, cancellation));
}

export function ggmlVersion(): string {
  return loadAddon().ggmlVersion;
}
