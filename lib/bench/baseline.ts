/** A report beside a saved one: how many times as long everything takes, and what was different. */
import { DiffusionError } from '../errors';
import { readWhole } from '../files';
import type { Report, Result } from './report';
import { type Ratio, ratioOf, type Spread } from './statistics';

export interface Comparison {
  /** ISO 8601, of the saved report. */
  date: string;
  /** `cpu: A, then B`: what makes the two unlike. */
  differences: string[];
  results: ComparedResult[];
  /** Configurations of the new report that the saved one lacks, in words. */
  missing: string[];
}

export interface ComparedResult {
  width: number;
  height: number;
  precision: string;
  /** Now divided by then: below 1 is faster, or less. */
  ratios: Record<Figure, Ratio>;
}

const figures = {
  load: (result) => result.load,
  text: (result) => result.text,
  step: (result) => result.step,
  unet: (result) => result.unet,
  decode: (result) => result.decode,
  request: (result) => result.request,
  peakBytes: (result) => result.memory.peakBytes,
} as const satisfies Record<string, (result: Result) => Spread>;

export type Figure = keyof typeof figures;

/** @throws FILE_NOT_FOUND; FILE_INVALID if it is no report that `bench --json` wrote */
export async function readReport(file: string): Promise<Report> {
  const text = (await readWhole(file)).toString();
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new DiffusionError('FILE_INVALID', `${file}: expected a report that bench --json wrote, got no JSON`, {
      cause,
    });
  }
  const flaw = flawOf(value);
  if (flaw) throw new DiffusionError('FILE_INVALID', `${file}: expected a report that bench --json wrote, but ${flaw}`);
  return value as Report;
}

/** What of a report is not there; empty if all that comparing and drawing read is. */
function flawOf(value: unknown): string {
  const report = value as Partial<Report> | null;
  if (report?.kind !== 'node-diffusion-bench') return 'its kind is another';
  if (report.version !== 1) return `its version is ${JSON.stringify(report.version)} and not 1`;
  if (typeof report.date !== 'string') return 'it has no date';
  for (const part of ['environment', 'settings'] as const) {
    if (typeof report[part] !== 'object' || report[part] === null) return `it has no ${part}`;
  }
  if (!Array.isArray(report.results)) return 'it has no results';
  for (const [i, result] of (report.results as unknown[]).entries()) {
    for (const [name, figure] of Object.entries(figures)) {
      const spread = attempt(() => figure(result as Result));
      const numbers = [spread?.median, spread?.least, spread?.most];
      if (!numbers.every((number) => Number.isFinite(number))) return `results[${i}] has no ${name}`;
    }
  }
  return '';
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

export function compare(now: Report, then: Report): Comparison {
  const results: ComparedResult[] = [];
  const missing: string[] = [];
  for (const result of now.results) {
    const { width, height, precision } = result;
    const same = (other: Result) => other.width === width && other.height === height && other.precision === precision;
    const other = then.results.find(same);
    if (!other) {
      missing.push(`${width} x ${height}, ${precision}`);
      continue;
    }
    const ratios = Object.entries(figures).map(([name, figure]) => [name, ratioOf(figure(result), figure(other))]);
    results.push({ width, height, precision, ratios: Object.fromEntries(ratios) });
  }
  const about = ({ environment, settings }: Report) => leaves({ ...environment, ...settings });
  return { date: then.date, differences: differencesOf(about(now), about(then)), results, missing };
}

function differencesOf(now: Map<string, unknown>, then: Map<string, unknown>): string[] {
  return [...new Set([...then.keys(), ...now.keys()])]
    .filter((name) => now.get(name) !== then.get(name))
    .map((name) => `${name}: ${then.get(name) ?? 'unknown'} then, ${now.get(name) ?? 'unknown'} now`);
}

/** `{ a: { b: 1 } }` as `a.b` -> 1. */
function leaves(value: object, prefix = ''): Map<string, unknown> {
  return new Map(
    Object.entries(value).flatMap(([name, inner]) =>
      typeof inner === 'object' && inner !== null
        ? [...leaves(inner, `${prefix}${name}.`)]
        : [[`${prefix}${name}`, inner] as [string, unknown]],
    ),
  );
}
