/** What a callback promised, waited for as long as its request can go on. */
import { throwIfAborted } from '../model/cancellation';
import type { Model } from '../model/model';

/** What ends a request from outside. */
export interface Ends {
  readonly signal?: AbortSignal;
  /** That draw it. */
  readonly models: readonly Pick<Model, 'disposal'>[];
}

/** Resolves or rejects as `answer` does; rejects before it with `ABORTED` or `DISPOSED` where the request ends. */
export async function answered<T>(answer: T | PromiseLike<T>, { signal, models }: Ends): Promise<Awaited<T>> {
  const ends = [...(signal ? [signal] : []), ...models.map(({ disposal }) => disposal)];
  const over = new AbortController(); // takes the listeners away
  const ended = new Promise<never>((_resolve, reject) => {
    const check = () => {
      try {
        throwIfAborted(signal);
        for (const { disposal } of models) disposal.throwIfAborted();
      } catch (error) {
        reject(error);
      }
    };
    for (const end of ends) end.addEventListener('abort', check, { signal: over.signal });
    check();
  });
  try {
    return await Promise.race([answer, ended]);
  } finally {
    over.abort();
  }
}
