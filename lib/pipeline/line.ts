/** Who waits for a turn at the network, and who is next. */
import { setImmediate } from 'node:timers/promises';
import { throwIfAborted } from '../model/cancellation';

export interface Waiting {
  /** Default 0. */
  readonly priority?: number;
  readonly signal?: AbortSignal;
  /** Called with `ABORTED` where the signal is aborted before its turn. */
  reject(error: unknown): void;
}

/** The highest priority first, among equals the longest waiting. */
export class Line<One extends Waiting> {
  private places_: { one: One; leave: () => void }[] = [];

  /** Rejected at once where its signal is aborted, now or while it waits. */
  join(one: One): void {
    if (rejectAborted(one)) return;
    const leave = () => {
      this.places_ = this.places_.filter((place) => place.one !== one);
      rejectAborted(one);
    };
    one.signal?.addEventListener('abort', leave);
    this.places_.push({ one, leave });
  }

  /**
   * Takes the first, and those others, in their order, that may go with it; none where nobody waits.
   *
   * @param isPreferred who comes first among equals
   */
  take(
    mayJoin: (other: One, first: One) => boolean = () => false,
    isPreferred: (one: One) => boolean = () => false,
  ): One[] {
    const byPreference = (a: One, b: One) => Number(isPreferred(b)) - Number(isPreferred(a));
    const ordered = this.places_.toSorted(
      ({ one: a }, { one: b }) => (b.priority ?? 0) - (a.priority ?? 0) || byPreference(a, b),
    );
    const taken = ordered.filter(({ one }, i) => i === 0 || mayJoin(one, ordered[0].one));
    this.places_ = this.places_.filter((place) => !taken.includes(place));
    for (const { one, leave } of taken) one.signal?.removeEventListener('abort', leave);
    return taken.map(({ one }) => one);
  }
}

/** Whether it was aborted. */
export function rejectAborted({ signal, reject }: Waiting): boolean {
  try {
    throwIfAborted(signal);
    return false;
  } catch (error) {
    reject(error);
    return true;
  }
}

/** Work one at a time. */
export class Turns {
  private readonly line_ = new Line<Waiting & { start(): Promise<void> }>();
  private isBusy_ = false;

  /** Rejects as the work does, or with `ABORTED` before its turn. */
  take<T>(work: () => Promise<T>, { priority, signal }: Pick<Waiting, 'priority' | 'signal'>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.line_.join({ priority, signal, reject, start: () => work().then(resolve, reject) });
      if (!this.isBusy_) void this.run();
    });
  }

  private async run(): Promise<void> {
    this.isBusy_ = true;
    for (;;) {
      await setImmediate(); // lets who had the last turn ask for another one
      const [next] = this.line_.take();
      if (!next) break;
      await next.start();
    }
    this.isBusy_ = false;
  }
}
