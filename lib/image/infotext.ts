/** Writes generation parameters as the text that AUTOMATIC1111's web UI puts into images, so that each reads the other's. */

/** What made an image, in this package's terms (width and height in pixels, clipSkip 1 = none). */
export interface GenerationFacts {
  readonly prompt: string;
  readonly negativePrompt?: string;
  readonly steps: number;
  /** Our own name, written as the web UI's where it has the same; any other as it is. */
  readonly sampler: string;
  /** As `sampler`. */
  readonly schedule?: string;
  /** Left out where there is no guidance, as in unconditional models. */
  readonly cfgScale?: number;
  /** Of the picture itself, an integer from 0 to 2^64 - 1. */
  readonly seed: number | bigint;
  /** Of the variation that is mixed into the noise, and its share. */
  readonly subseed?: number | bigint;
  /** 0 to 1; 0 leaves both out. */
  readonly subseedStrength?: number;
  readonly width: number;
  readonly height: number;
  /** Of a picture made from a picture, 0 to 1. */
  readonly strength?: number;
  readonly clipSkip?: number;
  readonly rng?: RngName;
  /** Stochasticity of the sampler. */
  readonly eta?: number;
  /** The model's name, without an ending. */
  readonly model?: string;
  /** The web UI's: the first ten hexadecimal digits of the file's SHA-256. */
  readonly modelHash?: string;
  /** Of the program that drew. */
  readonly version?: string;
  /** Settings under the web UI's own labels, for which this package has no name. */
  readonly other?: Readonly<Record<string, string>>;
}

/** Our names of the samplers, and the web UI's. A name that is in no table is written and read as it is. */
const samplerRows = [
  ['ddim', 'DDIM'],
  ['ddpm', 'DDPM'],
  ['deis', 'DEIS'],
  ['dpm2', 'DPM2'],
  ['dpm2_a', 'DPM2 a'],
  ['dpmpp_2m', 'DPM++ 2M'],
  ['dpmpp_2m_sde', 'DPM++ 2M SDE'],
  ['dpmpp_2s_a', 'DPM++ 2S a'],
  ['dpmpp_3m_sde', 'DPM++ 3M SDE'],
  ['dpmpp_sde', 'DPM++ SDE'],
  ['er_sde', 'ER SDE'],
  ['euler', 'Euler'],
  ['euler_a', 'Euler a'],
  ['euler_cfg_pp', 'Euler CFG++'],
  ['heun', 'Heun'],
  ['ipndm', 'IPNDM'],
  ['lcm', 'LCM'],
  ['lms', 'LMS'],
  ['plms', 'PLMS'],
  ['pndm', 'PNDM'],
  ['res_multistep', 'Res Multistep'],
  ['tcd', 'TCD'],
  ['unipc', 'UniPC'],
] as const;

export const samplerTitles: ReadonlyMap<string, string> = new Map(samplerRows);
export type SamplerName = (typeof samplerRows)[number][0];

/**
 * Our names of the schedules, and the web UI's where it has the same sigmas ("DDIM" may have more steps than asked for, there as here).
 * The others, whose titles are their names, mean nothing there.
 */
const scheduleRows = [
  ['discrete', 'Uniform'],
  ['karras', 'Karras'],
  ['exponential', 'Exponential'],
  ['polyexponential', 'Polyexponential'],
  ['sgm_uniform', 'SGM Uniform'],
  ['simple', 'Simple'],
  ['ddim_uniform', 'DDIM'],
  ['beta', 'Beta'],
  ['linspace', 'linspace'],
  ['leading', 'leading'],
  ['trailing', 'trailing'],
  ['ays_sd15', 'ays_sd15'],
  ['ays_sdxl', 'ays_sdxl'],
  ['kl_optimal', 'kl_optimal'],
  ['linear_quadratic', 'linear_quadratic'],
  ['lcm', 'lcm'],
] as const;

export const scheduleTitles: ReadonlyMap<string, string> = new Map(scheduleRows);
export type ScheduleName = (typeof scheduleRows)[number][0];

/** Noise as a GPU draws it, which the web UI does unless it says otherwise, and as torch does on a CPU. */
export type RngName = 'philox' | 'torch';

export const negativeLabel = 'Negative prompt:';

/**
 * The web UI's text: the prompt, the negative prompt after `Negative prompt: `, and one line of settings. A clipSkip of
 * 1 is left out, as there. A line of the prompt that itself begins with `Negative prompt:` cannot be told apart by any
 * reader. NUL, which PNG text cannot hold, becomes U+FFFD.
 */
export function formatInfotext(facts: GenerationFacts): string {
  const { sampler, schedule, clipSkip, rng, eta, width, height } = facts;
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
    ['Variation seed', facts.subseedStrength ? facts.subseed : undefined],
    ['Variation seed strength', facts.subseedStrength || undefined],
    [sampler === 'ddim' ? 'Eta DDIM' : 'Eta', eta],
    ['RNG', rng === 'torch' ? 'CPU' : undefined],
    ...Object.entries(facts.other ?? {}),
    ['Version', facts.version],
  ];
  const written = settings.flatMap(([label, value]) =>
    value === undefined ? [] : [`${label}: ${quote(String(value))}`],
  );
  const negative = facts.negativePrompt ? `\n${negativeLabel} ${facts.negativePrompt}` : '';
  return `${facts.prompt}${negative}\n${written.join(', ')}`.trim().replaceAll('\0', '\ufffd');
}

/** A value goes into JSON quotes if a reader could not find its end, or would change it. */
function quote(value: string): string {
  return /[,:\n\r]|^["\s]|\s$/.test(value) ? JSON.stringify(value) : value;
}
