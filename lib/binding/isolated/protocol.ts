/** What the library and an engine's process tell each other: values that structured clone carries, and references where objects are. */

/** An object that lives in the engine's process, as it is named in arguments. */
export interface HandleReference {
  $ref: 'handle';
  id: number;
}

/** The same in a result: what it can do, and what its properties said when it was made. */
export interface HandleDescription extends HandleReference {
  methods: string[];
  properties: Record<string, unknown>;
}

/** A cancellation or a callback in arguments; it belongs to the call, and a callback to its place among the arguments. */
export type CallReference = { $ref: 'cancellation' } | { $ref: 'callback'; index: number };

export type Reference = HandleReference | HandleDescription | CallReference;

/** To the engine's process. `target` is a handle's id, 0 for the addon itself. */
export type Order =
  | { kind: 'call'; id: number; target: number; method: string; args: unknown[] }
  | { kind: 'cancel'; id: number }
  | { kind: 'release'; handle: number };

/** From the engine's process, about a call. */
export type Report =
  | { kind: 'began'; id: number }
  | { kind: 'heard'; id: number; index: number; args: unknown[] }
  | { kind: 'done'; id: number; value: unknown }
  | { kind: 'failed'; id: number; code: string | undefined; message: string };

/**
 * The value with `replace` put in place of every object that structured clone would not carry as it is: instances of classes other than
 * typed arrays, functions, references. Lists and plain objects are copied, their members visited in order.
 */
export function mapObjects(value: unknown, replace: (object: object) => unknown): unknown {
  if (typeof value === 'function') return replace(value);
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value;
  if (Array.isArray(value)) return value.map((item) => mapObjects(item, replace));
  if (isReference(value) || !isPlain(value)) return replace(value);
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, mapObjects(item, replace)]));
}

export function isReference(value: object): value is Reference {
  return '$ref' in value;
}

function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}
