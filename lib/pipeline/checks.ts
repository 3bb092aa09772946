/** Checks of a request's options: each says the name, what was expected and what came. */
import { DiffusionError } from '../errors';

/** Throws `INVALID_REQUEST` unless `request` is an object without other options than the known ones. */
export function checkNames(request: object, known: readonly string[]): void {
  if (typeof request !== 'object' || request === null) refuse('request', 'an object', request);
  for (const name of Object.keys(request)) {
    if (!known.includes(name)) {
      const names = known.join(', ');
      throw new DiffusionError('INVALID_REQUEST', `${name}: there is no such option; there are ${names}`);
    }
  }
}

/** `undefined` means the default: such options are left out. */
export function definedOnly<T extends object>(request: T): T {
  return Object.fromEntries(Object.entries(request).filter(([, value]) => value !== undefined)) as T;
}

export function integer(name: string, value: unknown, least: number, most: number, multiple = 1): number {
  const fits = Number.isInteger(value) && (value as number) >= least && (value as number) <= most;
  const what = multiple === 1 ? `an integer in ${least}..${most}` : `a multiple of ${multiple} in ${least}..${most}`;
  if (!fits || (value as number) % multiple !== 0) refuse(name, what, value);
  return value as number;
}

export function finite(name: string, value: unknown, least: number, most: number): number {
  const fits = Number.isFinite(value) && (value as number) >= least && (value as number) <= most;
  if (!fits) refuse(name, `a number in ${least}..${most}`, value);
  return value as number;
}

export function boolean(name: string, value: unknown): boolean {
  if (typeof value !== 'boolean') refuse(name, 'true or false', value);
  return value as boolean;
}

export function text(name: string, value: unknown): string {
  if (typeof value !== 'string') refuse(name, 'a string', value);
  return value as string;
}

export function oneOf<T extends string>(name: string, value: T, options: readonly T[]): T {
  if (!options.includes(value)) refuse(name, `one of ${options.join(', ')}`, value);
  return value;
}

export function refuse(name: string, expected: string, got: unknown): never {
  throw new DiffusionError('INVALID_REQUEST', `${name}: expected ${expected}, got ${show(got)}`);
}

function show(value: unknown): string {
  if (typeof value === 'string') return `'${value.slice(0, 80)}'`;
  if (value instanceof Float32Array) return `a Float32Array of ${value.length}`;
  return typeof value === 'number' || typeof value === 'bigint' || value == null ? String(value) : typeof value;
}
