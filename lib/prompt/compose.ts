/** Prompts joined by `AND`: each guides the picture by itself, with a weight (Liu et al. 2022, arXiv 2206.01714). */

import { splitAtKeyword } from './keywords';

export interface WeightedPrompt {
  readonly text: string;
  /** Finite; may be negative. Default 1. */
  readonly weight: number;
}

const weightPattern = /^\s*[-+]?(?:\d+\.?|\d*\.\d+)$/;

/**
 * `a cat AND a dog :0.5` -> `a cat` with weight 1 and `a dog` with 0.5. `AND` counts in capitals and wherever it stands, within
 * brackets too. As in A1111, a number behind the last colon is a weight even where there is no `AND`; `\:` is a
 * colon of the text.
 *
 * @returns at least one prompt; spaces at their ends are left out
 */
export function splitComposition(prompt: string): WeightedPrompt[] {
  return splitAtKeyword(prompt, 'AND').map(splitWeight);
}

function splitWeight(part: string): WeightedPrompt {
  const text = part.trimEnd();
  const colon = text.lastIndexOf(':');
  const digits = text.slice(colon + 1);
  const weight = Number(digits);
  if (colon < 0 || isEscaped(text, colon) || !weightPattern.test(digits) || !Number.isFinite(weight)) {
    return { text, weight: 1 };
  }
  return { text: text.slice(0, colon).trimEnd(), weight };
}

function isEscaped(text: string, position: number): boolean {
  let backslashes = 0;
  while (text[position - 1 - backslashes] === '\\') backslashes++;
  return backslashes % 2 === 1;
}
