/** Carries an AbortSignal into native work, and native errors out of it. */
import { loadAddon } from '../binding/load';
import type { NativeAddon, NativeCancellation } from '../binding/types';
import { DiffusionError, type ErrorCode, errorCodes } from '../errors';

/** Throws `ABORTED`, with the signal's reason as its cause, if the signal is aborted. */
export function throwIfAborted(signal?: AbortSignal): void {
  if (signal?.aborted) throw aborted(signal);
}

/**
 * Runs a native call that stops, inside a step too, once the signal is aborted. Rejects with a {@link DiffusionError}.
 *
 * @param addon whose call it is, of this process or isolated; our own process's where it is left out
 */
export async function callNative<T>(
  signal: AbortSignal | undefined,
  call: (cancellation: NativeCancellation | null) => Promise<T>,
  addon?: Pick<NativeAddon, 'Cancellation'>,
): Promise<T> {
  throwIfAborted(signal);
  const cancellation = signal ? new (addon ?? loadAddon()).Cancellation() : null;
  const onAbort = () => cancellation?.cancel();
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    return await call(cancellation);
  } catch (error) {
    if (signal?.aborted) throw aborted(signal);
    throw toDiffusionError(error);
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}

/**
 * Runs work that tells of its progress. What `onProgress` throws ends the work, and is what comes out.
 *
 * @param work takes the signal that stops it, and what hears of its progress; null where nobody listens
 */
export async function withProgress<T>(
  signal: AbortSignal | undefined,
  onProgress: ((fraction: number) => void) | undefined,
  work: (stops: AbortSignal | undefined, report: ((fraction: number) => void) | null) => Promise<T>,
): Promise<T> {
  if (!onProgress) return work(signal, null);
  const stop = new AbortController();
  let thrown: { error: unknown } | undefined;
  const report = (fraction: number) => {
    try {
      if (!thrown) onProgress(fraction);
    } catch (error) {
      thrown = { error };
      stop.abort();
    }
  };
  const [ended] = await Promise.allSettled([
    work(signal ? AbortSignal.any([signal, stop.signal]) : stop.signal, report),
  ]);
  if (thrown) throw (thrown as { error: unknown }).error;
  if (ended.status === 'rejected') throw ended.reason;
  return ended.value;
}

function aborted(signal: AbortSignal): DiffusionError {
  return new DiffusionError('ABORTED', 'the call was aborted', { cause: signal.reason });
}

/** Native errors are plain Errors with a code of our table; anything else passes through. */
function toDiffusionError(error: unknown): unknown {
  if (error instanceof DiffusionError) return error;
  const code = (error as { code?: unknown } | null)?.code;
  if (!(error instanceof Error) || typeof code !== 'string' || !Object.hasOwn(errorCodes, code)) return error;
  return new DiffusionError(code as ErrorCode, error.message, { cause: error });
}
