/** `node-diffusion txt2img`: pictures from a prompt; and what all subcommands with a prompt share. */
import { parseArgs } from 'node:util';
import type { TextRequest, Txt2ImgRequest } from '../pipeline/request';
import type { PixelSize } from '../pipeline/size-conditioning';
import { type AdapterValues, adapterHelp, adapterOptions, pipelineLoader } from './adapters';
import { type CompanionValues, companionHelp, companionLoader, companionOptions } from './companions';
import { type DrawingValues, draw, drawingHelp, drawingOptions, samplingRequest } from './drawing';
import { numberOption, UsageError } from './usage';

export const textHelp = `\
  -p, --prompt TEXT          what to draw (or the first argument); several times for several prompts
  -o, --output FILE.png      where the picture goes; several become FILE-1.png, FILE-2.png ... (default out.png)
  -m, --model PATH           safetensors or GGUF file, or diffusers folder (default: the embedded avatar model)
      --vae PATH             in place of the model's own: a VAE or a tiny one (TAESD)
      --negative-prompt TEXT what to move away from
      --cfg-scale X          how strongly the prompt guides; 1 turns guidance off
      --cfg-rescale X        how much of the contrast that guidance adds is taken back, 0 to 1
      --pag-scale X          perturbed-attention guidance
      --pag-layers A,B       of these blocks: mid, down.0 ..., up.0 ...
      --pag-method NAME      identity or skip
      --guidance-interval L,H the sigmas between which the prompt guides
      --batch-size N         pictures at once, of each prompt
      --clip-skip N          1 = none (default; 2 in Stable Diffusion XL)
      --original-size WxH    Stable Diffusion XL: the size of the picture before it was cropped
      --crop-top-left T,L    Stable Diffusion XL: where the crop began
      --target-size WxH      Stable Diffusion XL: the size after the crop
      --aesthetic-score X    its refiner: how pleasing the picture is, 0 to 10
      --negative-aesthetic-score X
${adapterHelp}
${companionHelp}
${drawingHelp}`;

export const txt2imgHelp = `node-diffusion "PROMPT" -o OUT.png [options]

      --hires-scale X        draws small first, then so many times as large
      --hires-upscaler NAME  what is enlarged: latents or pixels
      --hires-strength X     how much is drawn anew, 0 to 1
      --hires-steps N        of which --hires-strength is taken
${textHelp}`;

export const textOptions = {
  ...drawingOptions,
  ...adapterOptions,
  ...companionOptions,
  prompt: { type: 'string', short: 'p', multiple: true },
  vae: { type: 'string' },
  'negative-prompt': { type: 'string' },
  'cfg-scale': { type: 'string' },
  'cfg-rescale': { type: 'string' },
  'pag-scale': { type: 'string' },
  'pag-layers': { type: 'string' },
  'pag-method': { type: 'string' },
  'guidance-interval': { type: 'string' },
  'batch-size': { type: 'string' },
  'clip-skip': { type: 'string' },
  'original-size': { type: 'string' },
  'crop-top-left': { type: 'string' },
  'target-size': { type: 'string' },
  'aesthetic-score': { type: 'string' },
  'negative-aesthetic-score': { type: 'string' },
} as const;

const options = {
  ...textOptions,
  'hires-scale': { type: 'string' },
  'hires-upscaler': { type: 'string' },
  'hires-strength': { type: 'string' },
  'hires-steps': { type: 'string' },
} as const;

type TextName = Exclude<
  keyof typeof textOptions,
  keyof typeof drawingOptions | keyof AdapterValues | keyof CompanionValues | 'prompt'
>;
type TextValues = DrawingValues &
  AdapterValues &
  CompanionValues & { prompt?: string[] } & { [name in TextName]?: string };

export async function txt2img(args: string[], signal: AbortSignal): Promise<void> {
  const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
  const hires = definedOf({
    scale: numberOption('hires-scale', values['hires-scale']),
    upscaler: values['hires-upscaler'] as 'latents',
    strength: numberOption('hires-strength', values['hires-strength']),
    steps: numberOption('hires-steps', values['hires-steps']),
  });
  const request: Txt2ImgRequest = { ...textRequest(values, positionals), ...(hires && { hires }), signal };
  const withCompanions = companionLoader(values, signal);
  await draw(values, signal, pipelineLoader(values), async (pipeline, onStep) => {
    const drawn = await withCompanions((companions) => pipeline.txt2img({ ...request, ...companions, onStep }));
    return { ...drawn, facts: { prompt: request.prompt } };
  });
}

/** What the options say of a request with a prompt; throws UsageError. */
export function textRequest(values: TextValues, positionals: string[]): Omit<TextRequest, 'latents'> {
  const prompts = values.prompt ?? positionals.splice(0, 1);
  if (prompts.length === 0) throw new UsageError('a prompt is needed: node-diffusion "a smiling woman" -o out.png');
  if (positionals.length > 0)
    throw new UsageError(`unexpected argument '${positionals[0]}' (put the prompt in quotes)`);
  return {
    ...samplingRequest(values),
    prompt: prompts.length === 1 ? prompts[0] : prompts,
    negativePrompt: values['negative-prompt'],
    cfgScale: numberOption('cfg-scale', values['cfg-scale']),
    cfgRescale: numberOption('cfg-rescale', values['cfg-rescale']),
    pagScale: numberOption('pag-scale', values['pag-scale']),
    pagLayers: values['pag-layers']?.split(','),
    pagMethod: values['pag-method'] as 'identity',
    guidanceInterval: intervalOption(values['guidance-interval']),
    batchSize: numberOption('batch-size', values['batch-size']),
    clipSkip: numberOption('clip-skip', values['clip-skip']),
    originalSize: sizeOption('original-size', values['original-size']),
    cropTopLeft: cornerOption('crop-top-left', values['crop-top-left']),
    targetSize: sizeOption('target-size', values['target-size']),
    aestheticScore: numberOption('aesthetic-score', values['aesthetic-score']),
    negativeAestheticScore: numberOption('negative-aesthetic-score', values['negative-aesthetic-score']),
  };
}

function sizeOption(name: string, value: string | undefined): PixelSize | undefined {
  if (value === undefined) return undefined;
  const [, width, height] = /^(\d+)x(\d+)$/.exec(value) ?? [];
  if (height === undefined) throw new UsageError(`--${name}: expected WIDTHxHEIGHT, got '${value}'`);
  return { width: Number(width), height: Number(height) };
}

function cornerOption(name: string, value: string | undefined): { top: number; left: number } | undefined {
  if (value === undefined) return undefined;
  const [, top, left] = /^(\d+),(\d+)$/.exec(value) ?? [];
  if (left === undefined) throw new UsageError(`--${name}: expected TOP,LEFT, got '${value}'`);
  return { top: Number(top), left: Number(left) };
}

function intervalOption(value: string | undefined): [low: number, high: number] | undefined {
  if (value === undefined) return undefined;
  const [low, high, ...more] = value.split(',').map((part) => numberOption('guidance-interval', part)!);
  if (high === undefined || more.length > 0)
    throw new UsageError(`--guidance-interval: expected two numbers, LOW,HIGH, got '${value}'`);
  return [low, high];
}

/** Undefined where no option was given. */
function definedOf<T extends object>(set: T): T | undefined {
  return Object.values(set).some((value) => value !== undefined) ? set : undefined;
}
