/** What the translators of other programs' options share. */
import { DiffusionError } from '../errors';
import type { RequestOptions } from './parse-infotext';

/** What {@link fromA1111} and {@link fromDiffusers} make of another program's options. */
export interface Translated {
  /** Its values are as they came: the request's own checks judge them. */
  request: Partial<RequestOptions> & { batchSize?: number };
  /** Options that have no counterpart here and ask for something, under their own names. */
  unknown: Record<string, unknown>;
}

/** Options of which each is taken once, so that what is left at the end has gone unheard. */
export class OptionBag {
  private readonly left_: Map<string, unknown>;

  /** @throws INVALID_ARGUMENT if `options` is not an object */
  constructor(options: object) {
    if (typeof options !== 'object' || options === null || Array.isArray(options)) {
      throw new DiffusionError('INVALID_ARGUMENT', `options: expected an object, got ${kindOf(options)}`);
    }
    this.left_ = new Map(Object.entries(options));
  }

  /** The option's value; `undefined` if it asks for nothing. */
  get(name: string): unknown {
    const value = this.left_.get(name);
    return asksForNothing(value) ? undefined : value;
  }

  /** The same, and takes it out. */
  take(name: string): unknown {
    const value = this.get(name);
    this.left_.delete(name);
    return value;
  }

  /** The same if the value passes the test; else it stays. */
  takeIf<T>(name: string, test: (value: unknown) => value is T): T | undefined {
    const value = this.get(name);
    return test(value) ? (this.take(name) as T) : undefined;
  }

  /** Takes all out whose names begin so. */
  drop(prefix: string): void {
    for (const name of this.left_.keys()) if (name.startsWith(prefix)) this.left_.delete(name);
  }

  /** What nobody took and asks for something. */
  rest(): Record<string, unknown> {
    return Object.fromEntries([...this.left_].filter(([, value]) => !asksForNothing(value)));
  }
}

export const isNumber = (value: unknown): value is number => typeof value === 'number';
export const isText = (value: unknown): value is string => typeof value === 'string';
export const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
/** A seed that is chosen; -1 and the like ask for any. */
export const isSeed = (value: unknown): value is number | bigint =>
  typeof value === 'bigint' || (typeof value === 'number' && value >= 0);

/** null, false, and what is empty. */
function asksForNothing(value: unknown): boolean {
  if (value === undefined || value === null || value === false || value === '') return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}

function kindOf(value: unknown): string {
  return Array.isArray(value) ? 'an array' : value === null ? 'null' : typeof value;
}
