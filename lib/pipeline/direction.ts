/** What steers a run and may change on its way: prompts and guidance. */
import { DiffusionError } from '../errors';
import type { Perturbation } from '../model/model';
import type { ExtraNetwork } from '../prompt/extra-networks';
import { parseNegativePrompt, parsePrompt } from '../prompt/parse-prompt';
import { checkNames, definedOnly, finite, oneOf, refuse, text } from './checks';

/** What a run's `change` and `onStep` may say, each as in {@link TextRequest}; it holds from the next step on. */
export interface Changes {
  /** As many as the run has. */
  prompt?: string | readonly string[];
  negativePrompt?: string | readonly string[];
  cfgScale?: number;
  cfgRescale?: number;
  guidanceInterval?: readonly [low: number, high: number];
  pagScale?: number;
  pagLayers?: readonly string[];
  pagMethod?: Perturbation['kind'];
}

/** The same with nothing left open. */
export interface Direction {
  /** One or more; each has as many pictures. */
  prompts: readonly string[];
  /** As many as there are prompts. */
  negativePrompts: readonly string[];
  cfgScale: number;
  cfgRescale: number;
  /** Guidance is applied at noise levels `low <= sigma <= high`; elsewhere the prompt alone is (arXiv 2404.07724). */
  guidanceInterval?: readonly [low: number, high: number];
  /** How far a prediction is pulled from that of perturbed attention; 0: not at all. */
  pagScale: number;
  /** Blocks of the UNet whose attention is perturbed. */
  pagLayers: readonly string[];
  pagMethod: Perturbation['kind'];
  /** Whether it is not what it was at the beginning, or has not always been so. */
  steered?: boolean;
}

export const directionOptions = [
  ...['prompt', 'negativePrompt', 'cfgScale', 'cfgRescale', 'guidanceInterval', 'pagScale', 'pagLayers', 'pagMethod'],
];

/** Throws `INVALID_REQUEST` with the option, what was expected and what came. */
export function parseDirection(options: Required<Pick<Changes, 'prompt' | 'cfgScale'>> & Changes): Direction {
  const { guidanceInterval } = options;
  const prompts = textList('prompt', options.prompt);
  if (prompts.length === 0) refuse('prompt', 'a string or a list of them', 'an empty list');
  const negative = textList('negativePrompt', options.negativePrompt === undefined ? '' : options.negativePrompt);
  if (negative.length !== 1 && negative.length !== prompts.length) {
    refuse('negativePrompt', `one text or one for each of ${prompts.length} prompts`, negative.length);
  }
  for (const prompt of prompts) checkNetworks('prompt', parsePrompt(prompt, 1).extraNetworks);
  for (const prompt of negative) checkNetworks('negativePrompt', parseNegativePrompt(prompt, 1).extraNetworks);
  return {
    prompts,
    negativePrompts: negative.length === prompts.length ? negative : prompts.map(() => negative[0]),
    cfgScale: finite('cfgScale', options.cfgScale, 0, 1000),
    cfgRescale: finite('cfgRescale', options.cfgRescale ?? 0, 0, 1),
    pagScale: finite('pagScale', options.pagScale ?? 0, 0, 1000),
    pagLayers: layers(options.pagLayers ?? ['mid']),
    pagMethod: oneOf('pagMethod', options.pagMethod ?? 'identity', ['identity', 'skip']),
    ...(guidanceInterval === undefined ? {} : { guidanceInterval: interval(guidanceInterval) }),
  };
}

/** What of a request is its direction. */
export function directionOf(request: Direction): Direction {
  const { prompts, negativePrompts, cfgScale, cfgRescale, guidanceInterval, pagScale, pagLayers, pagMethod } = request;
  const { steered } = request;
  return { prompts, negativePrompts, cfgScale, cfgRescale, guidanceInterval, pagScale, pagLayers, pagMethod, steered };
}

/** The direction after some changes. Throws `INVALID_REQUEST`, in which case nothing has changed. */
export function changed(direction: Direction, changes: Changes): Direction {
  checkNames(changes, directionOptions);
  const { prompts, negativePrompts, ...rest } = direction;
  const count = changes.prompt === undefined ? prompts.length : textList('prompt', changes.prompt).length;
  if (count !== prompts.length) refuse('prompt', `as many as before, ${prompts.length}`, count);
  const next = parseDirection({ prompt: prompts, negativePrompt: negativePrompts, ...rest, ...definedOnly(changes) });
  const values = (of: Direction) => JSON.stringify(directionOf({ ...of, steered: undefined }));
  // Texts that stay keep what was made of them.
  return {
    ...next,
    ...((direction.steered || values(next) !== values(direction)) && { steered: true }),
    prompts: changes.prompt === undefined ? prompts : next.prompts,
    negativePrompts: changes.negativePrompt === undefined ? negativePrompts : next.negativePrompts,
  };
}

/** The direction after a step's callback has answered: other values than objects, such as an array's new length, mean nothing. */
export function steered(direction: Direction, answer: unknown): Direction {
  return typeof answer === 'object' && answer !== null ? changed(direction, answer) : direction;
}

function textList(name: string, value: unknown): string[] {
  return Array.isArray(value) ? value.map((item, i) => text(`${name}[${i}]`, item)) : [text(name, value)];
}

function interval(value: unknown): [number, number] {
  if (!Array.isArray(value) || value.length !== 2) refuse('guidanceInterval', 'two sigmas, [low, high]', value);
  const [low, high] = value as unknown[];
  const from = finite('guidanceInterval[0]', low, 0, 1e9);
  return [from, finite('guidanceInterval[1]', high, from, 1e9)];
}

function layers(value: unknown): string[] {
  const isLayer = (layer: unknown) => typeof layer === 'string' && /^(mid|(down|up)\.\d)$/.test(layer);
  if (!Array.isArray(value) || value.length === 0) refuse('pagLayers', 'a list of one block or more', value);
  const wrong = (value as unknown[]).find((layer) => !isLayer(layer));
  if (wrong !== undefined) refuse('pagLayers', "'mid', 'down.0' ... or 'up.0' ...", wrong);
  return [...(value as string[])];
}

function checkNetworks(name: string, networks: readonly ExtraNetwork[]): void {
  for (const { tag, kind, problem } of networks) {
    const reason =
      problem ??
      (kind !== 'lora' && kind !== 'lyco' ? `there are no extra networks of the kind '${kind}'` : undefined) ??
      (name === 'negativePrompt' ? 'a LoRA changes the whole network: name it in the prompt' : undefined);
    if (reason === undefined) continue;
    throw new DiffusionError('INVALID_REQUEST', `${name}: expected text without ${tag}: ${reason}`);
  }
}
