/** References to extra networks in a prompt, `<lora:name:0.8>`: found, read and taken out of the text. */

/** A network that the prompt asks for by name. */
export interface ExtraNetwork {
  /** The reference as it was written. */
  readonly tag: string;
  /** What stands before the first colon: `lora`, `lyco`, `hypernet` or anything else. */
  readonly kind: string;
  readonly name: string;
  /** Strength in the text encoder. Default 1. */
  readonly textWeight: number;
  /** Strength in the UNet. Default: the text encoder's. */
  readonly unetWeight: number;
  /** What cannot be understood in the reference; the name and the weights then mean nothing. */
  readonly problem?: string;
}

export interface ExtractedNetworks {
  /** The prompt without the references; the spaces around them stay. */
  readonly text: string;
  /** In the order of the prompt. */
  readonly networks: readonly ExtraNetwork[];
}

const tagPattern = /<([\p{L}\p{N}_]+):([^<>]+)>/gu;
const numberPattern = /^\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*$/;

/**
 * Takes out `<kind:name>`, `<kind:name:weight>` and `<kind:name:textWeight:unetWeight>`, where weights may also be named:
 * `<lora:name:te=0.5:unet=1>`. Whatever else stands between `<` and `>` is text. Never throws: a reference with
 * wrong weights comes back with its `problem`.
 */
export function extractExtraNetworks(prompt: string): ExtractedNetworks {
  const networks: ExtraNetwork[] = [];
  const text = prompt.replace(tagPattern, (tag, kind, values) => {
    networks.push(readTag(tag, kind, values.split(':')));
    return '';
  });
  return { text, networks };
}

function readTag(tag: string, kind: string, values: readonly string[]): ExtraNetwork {
  const named = new Map<string, string>();
  const positional: string[] = [];
  for (const value of values) {
    const [key, ...rest] = value.split('=');
    if (rest.length === 1) named.set(key.trim(), rest[0]);
    else positional.push(value);
  }
  const [name = '', first, second, ...excess] = positional;
  const texts = { textWeight: named.get('te') ?? first ?? '1', unetWeight: named.get('unet') ?? second };
  const textWeight = toNumber(texts.textWeight);
  const unetWeight = texts.unetWeight === undefined ? textWeight : toNumber(texts.unetWeight);
  const unknown = [...named.keys()].find((key) => key !== 'te' && key !== 'unet');

  let problem: string | undefined;
  if (name.trim() === '') problem = 'expected a name';
  else if (textWeight === undefined) problem = `expected a number as weight, got '${texts.textWeight}'`;
  else if (unetWeight === undefined) problem = `expected a number as weight, got '${texts.unetWeight}'`;
  else if (unknown !== undefined) problem = `expected te= or unet=, got '${unknown}='`;
  else if (excess.length > 0) problem = `expected at most two weights, got ${positional.length - 1}`;

  const network = { tag, kind, name: name.trim(), textWeight: textWeight ?? 1, unetWeight: unetWeight ?? 1 };
  return problem === undefined ? network : { ...network, problem };
}

function toNumber(text: string): number | undefined {
  const value = numberPattern.test(text) ? Number(text) : Number.NaN;
  return Number.isFinite(value) ? value : undefined;
}
