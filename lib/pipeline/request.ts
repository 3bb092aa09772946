/** What a request may say: its checks and defaults. Nothing native is touched before it has passed. */

import type { AdapterUse } from '../model/adapters';
import type { ModelInfo, Perturbation } from '../model/model';
import type { Vae } from '../model/vae';
import { parseAdapters } from './adapter-store';
import { checkNames, definedOnly, finite, integer, oneOf, refuse } from './checks';
import { type ControlOptions, parseControl, type ResolvedControl } from './control';
import { type Changes, type Direction, directionOptions, parseDirection } from './direction';
import { parseRefiner, type RefinerOptions, type ResolvedRefiner } from './refiner';
import {
  parseSampling,
  type ResolvedSampling,
  type SamplingDefaults,
  type SamplingRequest,
  type StepEvent,
  samplingOptions,
} from './sampling-request';
import { parseSizes, type SizeRequest, sizeOptions } from './size-conditioning';
import type { GivenSource } from './source';
import { encodersOf } from './text-encoders';
import { Upscaler } from './upscaler';

/** What every request with a prompt may say. Everything but the prompt has a default; a model file may bring its own. */
export interface TextRequest extends Omit<SamplingRequest, 'onStep'>, SizeRequest {
  /** What to draw, in the syntax of docs/guides/prompts.md. Of several prompts each has `batchSize` pictures, all in one batch. */
  prompt: string | readonly string[];
  /** What to move away from; one text, or one for each prompt. Default: nothing. */
  negativePrompt?: string | readonly string[];
  /**
   * Classifier-free guidance (arXiv 2207.12598); 1 turns it off and halves the work. Default 7, and 0.6 with `euler_cfg_pp`. A model that
   * was distilled with guidance takes the scale itself, at no cost: default 8.5 there.
   */
  cfgScale?: number;
  /** How much of the deviation that guidance adds is taken back, 0 to 1: phi of arXiv 2305.08891. Default 0. */
  cfgRescale?: number;
  /** The sigmas, lowest and highest, between which guidance is applied (arXiv 2404.07724). Default: all. */
  guidanceInterval?: readonly [low: number, high: number];
  /**
   * Perturbed-attention guidance (arXiv 2403.17377): how far a prediction is pulled from the one that the UNet makes without some of
   * its attention. It is added to `cfgScale`'s, needs none of it, and costs half a step more with it. diffusers has 3. Default 0.
   */
  pagScale?: number;
  /** The blocks whose attention is perturbed, some of `info.unet.attentionBlocks`. Default `['mid']`. */
  pagLayers?: readonly string[];
  /** `identity`: each pixel attends to itself alone. `skip`: the transformers are left out (skip-layer guidance). Default `identity`. */
  pagMethod?: Perturbation['kind'];
  /** A second model that draws the last steps; see docs/guides/models.md. A saved run does not hold it: give it again. */
  refiner?: RefinerOptions;
  /** A1111's meaning: 1 takes the text encoder's last layer, 2 the one before, as far as there are layers. Default 1, and 2 in Stable Diffusion XL. */
  clipSkip?: number;
  /** ControlNets that hold the picture to others, at every task; several add up. Default none. */
  control?: readonly ControlOptions[];
  /** Decodes and encodes in place of the pipeline's own VAE, for this request. */
  vae?: Vae;
  /**
   * LoRAs that the networks are changed by, for this request alone; those that the prompt names come on top. Default: the
   * pipeline's.
   */
  adapters?: readonly AdapterUse[];
  /**
   * Called after each step; a promise is waited for, until an abort or a disposal ends the request. What it returns changes prompts or guidance from the next step on. What it
   * throws ends the request.
   */
  // biome-ignore lint/suspicious/noConfusingVoidType: a callback that returns nothing
  onStep?: (event: StepEvent) => void | Changes | Promise<void | Changes>;
}

/** A request for pictures from text. */
export interface Txt2ImgRequest extends TextRequest {
  /** Draws small first, then enlarges and draws over it. */
  hires?: HiresOptions;
}

/** The second pass of a picture that is drawn small first. */
export interface HiresOptions {
  /** How much larger the sides become, up to 8; they are rounded to what the model can draw. Default 2. */
  scale?: number;
  /** What is enlarged: the latents, bilinearly, or the decoded pixels, by Lanczos' kernel or by an {@link Upscaler} and then to size. Default `latents`. */
  upscaler?: 'latents' | 'pixels' | Upscaler;
  /** As in img2img. Latents need 0.5 and more. Default 0.7. */
  strength?: number;
  /** Of which `strength` is taken. Default: the request's. */
  steps?: number;
}

export interface ResolvedHires {
  width: number;
  height: number;
  scale: number;
  upscaler: 'latents' | 'pixels' | Upscaler;
  strength: number;
  steps: number;
}

/** A request with nothing left open. */
export interface ResolvedRequest extends Omit<ResolvedSampling, 'onStep'>, Direction {
  clipSkip: number;
  control: readonly ResolvedControl[];
  sizes: SizeRequest;
  refiner?: ResolvedRefiner;
  adapters?: readonly AdapterUse[];
  onStep?: TextRequest['onStep'];
  hires?: ResolvedHires;
  /** The picture that it begins from. */
  source?: GivenSource;
  /** Pixels over which its mask goes from white to black. */
  maskBlur?: number;
}

export const textOptions = [
  ...directionOptions,
  ...['clipSkip', 'adapters', 'refiner', 'vae', 'control'],
  ...samplingOptions,
  ...sizeOptions,
];

/** Throws `INVALID_REQUEST` (or `UNKNOWN_SAMPLER`, `UNKNOWN_SCHEDULE`) with the option, what was expected and what came. */
export function parseRequest(request: Txt2ImgRequest, info: ModelInfo): ResolvedRequest {
  checkNames(request, [...textOptions, 'hires']);
  const resolved = parseText(request, info);
  return request.hires === undefined ? resolved : { ...resolved, hires: parseHires(request.hires, resolved, info) };
}

/** The options that all requests with a prompt have. */
export function parseText(request: TextRequest, info: ModelInfo): ResolvedRequest {
  const factor = info.vae?.downscale ?? 8;
  const { onStep, ...set } = { ...textDefaults(info), ...ownDefaults(info), ...definedOnly(request) };
  // CFG++ has another scale, on which 7 is far off.
  const cfgScale = set.sampler === 'euler_cfg_pp' ? (request.cfgScale ?? 0.6) : set.cfgScale;
  const direction = parseDirection({ ...set, cfgScale });
  checkLayers(direction, info);
  if (onStep !== undefined && typeof onStep !== 'function') refuse('onStep', 'a function', onStep);
  const refiner = set.refiner && parseRefiner(set.refiner, info);
  const geometry = { multiple: factor, factor, channels: info.vae?.latentChannels ?? 4 };
  return {
    ...direction,
    clipSkip: integer('clipSkip', set.clipSkip, 1, leastLayers(refiner ? [info, refiner.studio.model.info] : [info])),
    control: parseControl(set.control, info),
    ...(refiner && { refiner }),
    sizes: parseSizes(set, refiner ? [info, refiner.studio.model.info] : [info]),
    ...(request.adapters === undefined ? {} : { adapters: parseAdapters(request.adapters) }),
    ...parseSampling(set, geometry, direction.prompts.length),
    onStep,
  };
}

/** That every text encoder has, without those that the first one's family leaves out at the end. */
function leastLayers(infos: readonly ModelInfo[]): number {
  const layersOf = (info: ModelInfo, number: 1 | 2) =>
    number === 1 ? info.textEncoder && info.textEncoder.layers - info.skippedTextLayers : info.textEncoder2?.layers;
  return Math.min(...infos.flatMap((info) => encodersOf(info).map((number) => layersOf(info, number) ?? 12)));
}

function checkLayers({ pagScale, pagLayers }: Direction, { unet }: ModelInfo): void {
  const unknown = pagLayers.find((layer) => !unet?.attentionBlocks.includes(layer));
  if (pagScale > 0 && unknown) refuse('pagLayers', `of this model's ${unet?.attentionBlocks.join(', ')}`, unknown);
}

/** Throws where `strength` leaves no step of `steps`. */
export function parseStrength(name: string, value: unknown, steps: number): number {
  const strength = finite(name, value, 0, 1);
  if (Math.floor(steps * strength) < 1) refuse(name, `at least 1 / ${steps}, since there are ${steps} steps`, value);
  return strength;
}

function parseUpscaler(upscaler: NonNullable<HiresOptions['upscaler']>): ResolvedHires['upscaler'] {
  if (upscaler instanceof Upscaler) return upscaler;
  return oneOf<'latents' | 'pixels'>('hires.upscaler', upscaler, ['latents', 'pixels']);
}

function parseHires(options: HiresOptions, { width, height, steps }: ResolvedRequest, info: ModelInfo): ResolvedHires {
  checkNames(options, ['scale', 'upscaler', 'strength', 'steps']);
  const factor = info.vae?.downscale ?? 8;
  const scale = finite('hires.scale', options.scale ?? 2, 1, 8);
  const larger = (side: number) => Math.min(16384, Math.round((side * scale) / factor) * factor);
  const own = integer('hires.steps', options.steps ?? steps, 1, 1000);
  return {
    ...{ width: larger(width), height: larger(height), scale, steps: own },
    upscaler: parseUpscaler(options.upscaler ?? 'latents'),
    strength: parseStrength('hires.strength', options.strength ?? 0.7, own),
  };
}

/**
 * The same for an unconditional model, whose latents are the pixels themselves. Sides are multiples of 2 to the power of
 * its levels less one.
 */
export function parseUnconditional(request: SamplingRequest, info: ModelInfo): ResolvedSampling {
  checkNames(request, samplingOptions);
  const { blockChannels, inChannels, sampleSize } = info.unet!;
  const defaults: SamplingDefaults = {
    ...{ width: sampleSize, height: sampleSize, steps: 50, sampler: 'ddim', schedule: 'trailing' },
  };
  const set = { ...defaults, ...ownDefaults(info), ...definedOnly(request) };
  return parseSampling(set, { multiple: 2 ** (blockChannels.length - 1), factor: 1, channels: inChannels });
}

/** What the model's family is used to, and models that were distilled for few steps (LCM, arXiv 2310.04378). */
function textDefaults(info: ModelInfo): SamplingDefaults & { cfgScale: number; clipSkip: number } {
  const { type, zeroTerminalSnr } = info.prediction;
  // The user may know better than a single file which of Stable Diffusion 2's models it is.
  const isSd2 = info.family === 'sd2' && info.unet?.sampleSize === undefined;
  const side = isSd2 ? (type === 'v_prediction' ? 768 : 512) : (info.pictureSize ?? 512);
  const takesGuidance = info.unet?.takesGuidance ?? false;
  // Levels that end in pure noise are far from Karras' evenness, and their last one must be a step's (arXiv 2305.08891).
  const schedule = zeroTerminalSnr || type === 'flow' ? 'trailing' : 'karras';
  return {
    ...{ width: side, height: side, clipSkip: info.unet?.addition ? 2 : 1 },
    ...(takesGuidance || info.scheduler === 'LCMScheduler'
      ? { cfgScale: takesGuidance ? 8.5 : 1, steps: 4, sampler: 'lcm', schedule: 'lcm' }
      : { cfgScale: 7, steps: 20, sampler: 'dpmpp_2m', schedule }),
  };
}

/** What the model's file says over it. */
function ownDefaults(info: ModelInfo): Partial<Pick<Txt2ImgRequest, 'width' | 'height' | 'steps' | 'cfgScale'>> {
  return info.defaults === '' ? {} : JSON.parse(info.defaults);
}
