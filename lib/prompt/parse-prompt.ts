/** A prompt in A1111's syntax, taken apart: extra networks, `AND`, prompt editing. */

import { DiffusionError } from '../errors';
import { splitComposition } from './compose';
import { type ExtraNetwork, extractExtraNetworks } from './extra-networks';
import { parseSchedule, type ScheduledText } from './schedule';

/** One of the prompts joined by `AND`. */
export interface PromptPart {
  /** Multiplies the guidance scale of this part. */
  readonly weight: number;
  /** What it says until when; the texts still have their emphasis and `BREAK`, for {@link promptWindows}. */
  readonly schedule: readonly ScheduledText[];
}

export interface ParsedPrompt {
  /** At least one. */
  readonly parts: readonly PromptPart[];
  readonly extraNetworks: readonly ExtraNetwork[];
}

/**
 * Parses a prompt for so many sampling steps. Any text is a prompt.
 *
 * @throws INVALID_ARGUMENT if `prompt` is not a string, or `steps` not an integer of at least 1
 */
export function parsePrompt(prompt: string, steps: number): ParsedPrompt {
  const { text, networks } = extract('prompt', prompt);
  const parts = splitComposition(text).map((part) => ({
    weight: part.weight,
    schedule: parseSchedule(part.text, steps),
  }));
  return { parts, extraNetworks: networks };
}

/**
 * The same for a negative prompt, of which there is one to move away from: `AND` is a word like others, and a number
 * at the end no weight (as in A1111).
 *
 * @throws INVALID_ARGUMENT if `negativePrompt` is not a string, or `steps` not an integer of at least 1
 */
export function parseNegativePrompt(negativePrompt: string, steps: number): ParsedPrompt {
  const { text, networks } = extract('negativePrompt', negativePrompt);
  return { parts: [{ weight: 1, schedule: parseSchedule(text, steps) }], extraNetworks: networks };
}

function extract(name: string, prompt: string) {
  if (typeof prompt === 'string') return extractExtraNetworks(prompt);
  throw new DiffusionError('INVALID_ARGUMENT', `${name}: expected a string, got ${typeof prompt}`);
}
