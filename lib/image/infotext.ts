/** Generation parameters as the text that AUTOMATIC1111's web UI writes into images, so that each reads the other's. */

/** What made an image, in this package's terms (width and height in pixels, clipSkip 1 = none). */
export interface GenerationFacts {
  readonly prompt: string;
  readonly negativePrompt?: string;
  readonly steps: number;
  readonly sampler: string;
  readonly schedule?: string;
  readonly cfgScale: number;
  readonly seed: number | bigint;
  readonly width: number;
  readonly height: number;
  readonly strength?: number;
  readonly clipSkip?: number;
  readonly model?: string;
  readonly modelHash?: string;
  readonly version?: string;
  /** Settings under the web UI's own labels, for which this package has no name. */
  readonly other?: Readonly<Record<string, string>>;
}

/** What a text says: as a rule not everything. */
export type ParsedFacts = Partial<GenerationFacts> & Pick<GenerationFacts, 'prompt'>;

/** Our names of the samplers, and the web UI's. A name that is in no table is written and read as it is. */
export const samplerTitles: ReadonlyMap<string, string> = new Map([
  ['ddim', 'DDIM'],
  ['dpmpp_2m', 'DPM++ 2M'],
  ['euler', 'Euler'],
  ['euler_a', 'Euler a'],
  ['lcm', 'LCM'],
]);

/**
 * Our names of the schedules, and the web UI's. "DDIM" gives the same sigmas as `leading` if the steps divide 1000, and
 * more of them otherwise. `trailing` and `lcm` have no counterpart there.
 */
export const scheduleTitles: ReadonlyMap<string, string> = new Map([
  ['discrete', 'Uniform'],
  ['karras', 'Karras'],
  ['leading', 'DDIM'],
]);

// The web UI has two ways to the same sigmas.
const schedulesByTitle = new Map([
  ...[...scheduleTitles].map(([name, title]) => [title, name] as const),
  ['Normal', 'discrete'],
]);
const samplersByTitle = new Map([...samplerTitles].map(([name, title]) => [title, name]));

const negativeLabel = 'Negative prompt:';
const fewestSettings = 3; // a last line with fewer belongs to the prompt: the web UI's own rule

type NumberName = 'steps' | 'cfgScale' | 'strength' | 'clipSkip';
type TextName = 'sampler' | 'schedule' | 'modelHash' | 'model' | 'version';

const numberLabels = new Map<string, NumberName>([
  ['Steps', 'steps'],
  ['CFG scale', 'cfgScale'],
  ['Denoising strength', 'strength'],
  ['Clip skip', 'clipSkip'],
]);

const textLabels = new Map<string, TextName>([
  ['Sampler', 'sampler'],
  ['Schedule type', 'schedule'],
  ['Model hash', 'modelHash'],
  ['Model', 'model'],
  ['Version', 'version'],
]);

/**
 * The web UI's text: the prompt, the negative prompt after `Negative prompt: `, and one line of settings. A clipSkip of
 * 1 is left out, as there. A line of the prompt that itself begins with `Negative prompt:` cannot be told apart by any
 * reader. NUL, which PNG text cannot hold, becomes U+FFFD.
 */
export function formatInfotext(facts: GenerationFacts): string {
  const { sampler, schedule, clipSkip, width, height } = facts;
  const settings: [label: string, value: string | number | bigint | undefined][] = [
    ['Steps', facts.steps],
    ['Sampler', samplerTitles.get(sampler) ?? sampler],
    ['Schedule type', schedule && (scheduleTitles.get(schedule) ?? schedule)],
    ['CFG scale', facts.cfgScale],
    ['Seed', facts.seed],
    ['Size', `${width}x${height}`],
    ['Model hash', facts.modelHash],
    ['Model', facts.model],
    ['Denoising strength', facts.strength],
    ['Clip skip', clipSkip === 1 ? undefined : clipSkip],
    ...Object.entries(facts.other ?? {}),
    ['Version', facts.version],
  ];
  const written = settings.flatMap(([label, value]) =>
    value === undefined ? [] : [`${label}: ${quote(String(value))}`],
  );
  const negative = facts.negativePrompt ? `\n${negativeLabel} ${facts.negativePrompt}` : '';
  return `${facts.prompt}${negative}\n${written.join(', ')}`.trim().replaceAll('\0', '\ufffd');
}

/**
 * Reads the web UI's text, from any of its versions (the older ones name the schedule within the sampler). Never fails:
 * text without settings is all prompt, and a setting that is not understood is kept under `other`.
 */
export function parseInfotext(text: string): ParsedFacts {
  const lines = text.trim().split(/\r?\n/);
  let settings = readSettings(lines.at(-1)!);
  if (settings.size >= fewestSettings) lines.pop();
  else settings = new Map();

  const negativeStart = lines.findIndex((line) => line.trimStart().startsWith(negativeLabel));
  const prompt = (negativeStart < 0 ? lines : lines.slice(0, negativeStart)).join('\n').trim();
  if (negativeStart < 0) return { prompt, ...readFacts(settings) };
  const negative = lines.slice(negativeStart).join('\n').trim().slice(negativeLabel.length).trim();
  return { prompt, negativePrompt: negative, ...readFacts(settings) };
}

function readFacts(settings: ReadonlyMap<string, string>): Partial<GenerationFacts> {
  const facts: { -readonly [Name in keyof GenerationFacts]?: GenerationFacts[Name] } = {};
  const other = new Map<string, string>();
  for (const [label, value] of settings) {
    const numberName = numberLabels.get(label);
    const textName = textLabels.get(label);
    const number = readNumber(value);
    const seed = label === 'Seed' ? readSeed(value) : undefined;
    const size = label === 'Size' && /^(\d{1,9})x(\d{1,9})$/.exec(value);
    if (numberName && number !== undefined) facts[numberName] = number;
    else if (textName) facts[textName] = value;
    else if (seed !== undefined) facts.seed = seed;
    else if (size) [facts.width, facts.height] = [Number(size[1]), Number(size[2])];
    else other.set(label, value);
  }
  if (facts.sampler !== undefined) Object.assign(facts, readSampler(facts.sampler, facts.schedule));
  if (other.size > 0) facts.other = Object.fromEntries(other);
  return facts;
}

function readNumber(value: string): number | undefined {
  return /^-?\d{1,15}(\.\d+)?(e-?\d{1,3})?$/.test(value) ? Number(value) : undefined;
}

/** Of 64 bits at most; a bigint where a number would round it to another seed. */
function readSeed(value: string): number | bigint | undefined {
  if (!/^\d{1,20}$/.test(value)) return undefined;
  const seed = BigInt(value);
  if (seed >> 64n) return undefined;
  return seed <= Number.MAX_SAFE_INTEGER ? Number(seed) : seed;
}

function readSampler(title: string, scheduleTitle: string | undefined): Pick<GenerationFacts, 'sampler' | 'schedule'> {
  // Before version 1.9 the schedule stood within the sampler's title.
  const old = scheduleTitle === undefined ? /^(.+) (Karras|Exponential)$/.exec(title) : null;
  const [sampler, schedule] = old ? old.slice(1) : [title, scheduleTitle];
  const name = samplersByTitle.get(sampler) ?? sampler;
  return schedule ? { sampler: name, schedule: schedulesByTitle.get(schedule) ?? schedule } : { sampler: name };
}

// ---- The line of settings: `label: value, label: "value with , or :"`

/** A value goes into JSON quotes if a reader could not find its end, or would change it. */
function quote(value: string): string {
  return /[,:\n\r]|^["\s]|\s$/.test(value) ? JSON.stringify(value) : value;
}

function readSettings(line: string): Map<string, string> {
  const settings = new Map<string, string>();
  for (let at = 0; at < line.length; ) {
    const label = /([^,:]*)(:?)\s*/y;
    label.lastIndex = at;
    const [matched, name, colon] = label.exec(line)!;
    at += matched.length;
    const value = colon ? readValue(line, at) : undefined;
    if (value) {
      settings.set(name.trim(), value.text);
      at = value.end;
    }
    const comma = line.indexOf(',', at);
    at = comma < 0 ? line.length : comma + 1;
  }
  return settings;
}

/** A JSON string if there is one before the next comma or the end, otherwise what stands before the next comma. */
function readValue(line: string, start: number): { text: string; end: number } {
  const quoted = /"(?:[^"\\]|\\.)*"(?=\s*(?:,|$))/y;
  quoted.lastIndex = start;
  const json = quoted.exec(line)?.[0];
  if (json !== undefined) {
    try {
      return { text: JSON.parse(json), end: start + json.length };
    } catch {
      // Not JSON after all: taken as it stands.
    }
  }
  const comma = line.indexOf(',', start);
  const end = comma < 0 ? line.length : comma;
  return { text: line.slice(start, end).trim(), end };
}
