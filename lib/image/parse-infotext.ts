/** Reads generation parameters in A1111's format back into a request that draws the same picture. */
import { readFileSync } from 'node:fs';
import { DiffusionError } from '../errors';
import { readStepping } from './a1111-names';
import { negativeLabel, type RngName, type SamplerName, type ScheduleName } from './infotext';
import { readParameters } from './parameters';

/** The options of a request that other programs have a name for; each as in `Txt2ImgRequest`. */
export interface RequestOptions {
  prompt: string;
  negativePrompt?: string;
  steps?: number;
  sampler?: SamplerName;
  schedule?: ScheduleName;
  cfgScale?: number;
  cfgRescale?: number;
  guidanceInterval?: [low: number, high: number];
  pagScale?: number;
  pagLayers?: string[];
  pagMethod?: 'identity' | 'skip';
  seed?: number | bigint;
  subseed?: number | bigint;
  subseedStrength?: number;
  width?: number;
  height?: number;
  clipSkip?: number;
  rng?: RngName;
  eta?: number;
  originalSize?: { width: number; height: number };
  cropTopLeft?: { top: number; left: number };
  targetSize?: { width: number; height: number };
  aestheticScore?: number;
  negativeAestheticScore?: number;
  /** Of pictures made from pictures. */
  strength?: number;
  /** Of pictures that were drawn small and enlarged. */
  hires?: { scale?: number; upscaler?: 'latents' | 'pixels'; strength?: number; steps?: number };
}

export type HiresOptions = NonNullable<RequestOptions['hires']>;

/** What {@link parseInfotext} finds. */
export interface ParsedInfotext {
  /** A request for `pipeline.txt2img`. */
  request: RequestOptions;
  /**
   * Settings that have no place in a request, under the text's own labels: the model's name, those of LoRAs, a VAE or ControlNets that
   * were given, `Steered` where the run was changed on its way, extensions' settings.
   */
  unknown: Record<string, string>;
}

const fewestSettings = 3; // a last line with fewer belongs to the prompt: the web UI's own rule
const longestPath = 4096;

type NumberName =
  | 'steps'
  | 'cfgScale'
  | 'cfgRescale'
  | 'pagScale'
  | 'clipSkip'
  | 'eta'
  | 'strength'
  | 'subseedStrength'
  | 'aestheticScore'
  | 'negativeAestheticScore';

const numbers = new Map<string, NumberName>([
  ['Steps', 'steps'],
  ['CFG scale', 'cfgScale'],
  ['CFG Rescale phi', 'cfgRescale'],
  ['PAG Scale', 'pagScale'],
  ['PAG scale', 'pagScale'], // SD.Next
  ['Clip skip', 'clipSkip'],
  ['Eta', 'eta'],
  ['Eta DDIM', 'eta'],
  ['Denoising strength', 'strength'],
  ['Variation seed strength', 'subseedStrength'],
  ['Aesthetic score', 'aestheticScore'],
  ['Negative aesthetic score', 'negativeAestheticScore'],
]);

/** Two whole numbers with an x between. */
const pairs = new Map<string, (request: RequestOptions, first: number, second: number) => void>([
  ['Size', (request, width, height) => Object.assign(request, { width, height })],
  ['Original size', (request, width, height) => Object.assign(request, { originalSize: { width, height } })],
  ['Crop top left', (request, top, left) => Object.assign(request, { cropTopLeft: { top, left } })],
  ['Target size', (request, width, height) => Object.assign(request, { targetSize: { width, height } })],
]);

const seeds = new Map<string, 'seed' | 'subseed'>([
  ['Seed', 'seed'],
  ['Variation seed', 'subseed'],
]);

/** The web UI's upscalers that are here too. */
export const upscalers = new Map<unknown, NonNullable<HiresOptions['upscaler']>>([
  ['Latent', 'latents'],
  ['Lanczos', 'pixels'],
]);

export const rngs = new Map<unknown, RngName>([
  ['CPU', 'torch'],
  ['GPU', 'philox'],
  ['NV', 'philox'],
]);

/**
 * The request that a picture was made with: `pipeline.txt2img(parseInfotext('out.png').request)` draws it again with the same model, if
 * `unknown` names no more than that. A string of one line that ends in .png, .jpg, .jpeg or .webp is a path; any other is the text itself
 * ({@link parseParameters}, which never opens a file, is for texts from strangers).
 *
 * @param source a PNG, JPEG or WebP file's bytes or path, or the text
 * @throws FILE_NOT_FOUND if the path cannot be read; INVALID_IMAGE if the picture holds no parameters or is a damaged PNG;
 * INVALID_ARGUMENT if the source is neither
 */
export function parseInfotext(source: Uint8Array | string): ParsedInfotext {
  if (typeof source === 'string' && !isPath(source)) return parseParameters(source);
  if (typeof source !== 'string' && !(source instanceof Uint8Array)) {
    throw new DiffusionError(
      'INVALID_ARGUMENT',
      `source: expected a file's bytes, a path or a text, got ${typeof source}`,
    );
  }
  const text = readParameters(typeof source === 'string' ? read(source) : source);
  if (text === undefined) {
    const name = typeof source === 'string' ? source : 'the file';
    throw new DiffusionError(
      'INVALID_IMAGE',
      `${name}: expected a PNG, JPEG or WebP with generation parameters, found none`,
    );
  }
  return parseParameters(text);
}

/**
 * The same from the text, of any of the web UI's versions (the older ones name the schedule within the sampler). Never fails: text
 * without settings is all prompt, and a setting that is not understood is kept under `unknown`. Time grows with the text's length and no
 * faster.
 */
export function parseParameters(text: string): ParsedInfotext {
  const lines = text.trim().split(/\r?\n/);
  let settings = readSettings(lines.at(-1)!);
  if (settings.size >= fewestSettings) lines.pop();
  else settings = new Map();

  const negativeStart = lines.findIndex((line) => line.trimStart().startsWith(negativeLabel));
  const prompt = (negativeStart < 0 ? lines : lines.slice(0, negativeStart)).join('\n').trim();
  const request: RequestOptions = { prompt };
  if (negativeStart >= 0) {
    request.negativePrompt = lines.slice(negativeStart).join('\n').trim().slice(negativeLabel.length).trim();
  }
  return { request, unknown: Object.fromEntries(takeSettings(request, settings)) };
}

function isPath(text: string): boolean {
  return text.length <= longestPath && /^[^\r\n\0]*\.(png|jpe?g|webp)$/i.test(text);
}

function read(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new DiffusionError('FILE_NOT_FOUND', `${file} does not exist or cannot be read`, { cause });
  }
}

/** Moves what it understands into the request -> the rest. */
function takeSettings(request: RequestOptions, settings: ReadonlyMap<string, string>): Map<string, string> {
  const rest = new Map<string, string>();
  for (const [label, value] of settings) {
    const name = numbers.get(label);
    const number = name && readNumber(value);
    const seedName = seeds.get(label);
    const seed = seedName && readSeed(value);
    const setPair = pairs.get(label);
    const pair = setPair && /^(\d{1,9})x(\d{1,9})$/.exec(value);
    const rng = label === 'RNG' ? rngs.get(value) : undefined;
    if (name && number !== undefined) request[name] = number;
    else if (seedName && seed !== undefined) request[seedName] = seed;
    else if (pair) setPair(request, Number(pair[1]), Number(pair[2]));
    else if (rng) request.rng = rng;
    else rest.set(label, value);
  }
  takeInterval(request, rest);
  takePerturbation(request, rest);
  takeHires(request, rest);
  takeStepping(request, rest);
  return rest;
}

/** Two noise levels with "to" between. */
function takeInterval(request: RequestOptions, rest: Map<string, string>): void {
  const levels = (rest.get('Guidance interval') ?? '').split(' to ').map(readNumber);
  const [low, high] = levels;
  if (levels.length !== 2 || low === undefined || high === undefined) return;
  request.guidanceInterval = [low, high];
  rest.delete('Guidance interval');
}

function takePerturbation(request: RequestOptions, rest: Map<string, string>): void {
  if (request.pagScale === undefined) return;
  const layers = rest.get('PAG Layers')?.split(' ');
  const method = rest.get('PAG Method');
  if (layers?.every((layer) => /^(mid|(down|up)\.\d)$/.test(layer))) {
    request.pagLayers = layers;
    rest.delete('PAG Layers');
  }
  if (method === 'identity' || method === 'skip') {
    request.pagMethod = method;
    rest.delete('PAG Method');
  }
  if (rest.get('PAG Active') === 'True') rest.delete('PAG Active');
}

/** In a picture that was enlarged the strength is that of the second pass. */
function takeHires(request: RequestOptions, rest: Map<string, string>): void {
  if (![...rest.keys()].some((label) => label.startsWith('Hires '))) return;
  const { strength } = request;
  delete request.strength;
  const take = (label: string) => {
    const number = readNumber(rest.get(label) ?? '');
    if (number !== undefined) rest.delete(label);
    return number;
  };
  const scale = take('Hires upscale');
  if (scale === undefined) {
    if (strength !== undefined) rest.set('Denoising strength', String(strength));
    return;
  }
  const steps = take('Hires steps');
  const upscaler = upscalers.get(rest.get('Hires upscaler') ?? '');
  if (upscaler) rest.delete('Hires upscaler');
  request.hires = defined({ scale, upscaler, strength, steps });
}

function takeStepping(request: RequestOptions, rest: Map<string, string>): void {
  const [samplerLabel, scheduleLabel] = [rest.get('Sampler'), rest.get('Schedule type')];
  const stepping = readStepping(samplerLabel ?? '', scheduleLabel);
  if (samplerLabel === undefined && scheduleLabel === undefined) return;
  Object.assign(request, stepping);
  if (stepping.sampler) rest.delete('Sampler');
  if (stepping.schedule) rest.delete('Schedule type');
}

/** Without the names that have no value. */
export function defined<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;
}

function readNumber(value: string): number | undefined {
  return /^-?\d{1,15}(\.\d{1,30})?(e-?\d{1,3})?$/.test(value) ? Number(value) : undefined;
}

/** Of 64 bits at most; a bigint where a number would round it to another seed. */
function readSeed(value: string): number | bigint | undefined {
  if (!/^\d{1,20}$/.test(value)) return undefined;
  const seed = BigInt(value);
  if (seed >> 64n) return undefined;
  return seed <= Number.MAX_SAFE_INTEGER ? Number(seed) : seed;
}

// ---- The line of settings: `label: value, label: "value with , or :"`

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
    at = commaFrom(line, at) + 1;
  }
  return settings;
}

/** A JSON string if there is one before the next comma or the end, otherwise what stands before the next comma. */
function readValue(line: string, start: number): { text: string; end: number } {
  const quoteEnd = line[start] === '"' ? quoteEndFrom(line, start) : 0;
  const comma = commaFrom(line, Math.max(start, quoteEnd));
  if (quoteEnd > 0 && line.slice(quoteEnd, comma).trim() === '') {
    try {
      return { text: JSON.parse(line.slice(start, quoteEnd)), end: quoteEnd };
    } catch {
      // Not JSON after all: taken as it stands.
    }
  }
  const end = commaFrom(line, start);
  return { text: line.slice(start, end).trim(), end };
}

/** Behind the quote that closes the one at `start`; 0 if none does. */
function quoteEndFrom(line: string, start: number): number {
  for (let at = start + 1; at < line.length; at++) {
    if (line[at] === '\\') at++;
    else if (line[at] === '"') return at + 1;
  }
  return 0;
}

function commaFrom(line: string, at: number): number {
  const comma = line.indexOf(',', at);
  return comma < 0 ? line.length : comma;
}
