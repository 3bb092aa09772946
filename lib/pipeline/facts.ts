/** What a picture's parameters say of its request, in A1111's words where it has some: all that changes the picture has a line. */
import { withDefaults } from '../model/adapters';
import { type LatentCodec, Vae } from '../model/vae';
import type { ControlMode, ResolvedControl } from './control';
import type { Direction } from './direction';
import { subseedsOf } from './noise-draws';
import type { Facts } from './pictures';
import { refinerFacts } from './refiner';
import type { ResolvedHires, ResolvedRequest } from './request';
import { sizeFacts } from './size-conditioning';
import type { Studio } from './studio';
import { Upscaler } from './upscaler';

type Line = [label: string, value: string | number | undefined];

/** Of one picture of the batch. */
export function factsOf(request: ResolvedRequest, picture: number, { model, modelName, vae, adapters }: Studio): Facts {
  const { cfgScale, clipSkip, sizes, hires, source, maskBlur, subseedStrength, guidanceInterval } = request;
  const prompt = Math.floor((picture * request.prompts.length) / request.batchSize);
  const other: Line[] = [
    ['Hires upscale', hires?.scale],
    ['Hires steps', hires?.steps],
    ['Hires upscaler', hires && upscalerName(hires)],
    ['Mask blur', maskBlur],
    ['CFG Rescale phi', request.cfgRescale || undefined],
    ['Guidance interval', guidanceInterval?.join(' to ')],
    ...perturbationFacts(request),
    ['Noise Schedule', model.info.prediction.zeroTerminalSnr ? 'Zero Terminal SNR' : undefined], // A1111's words
    ...sizeFacts(sizes),
    ...refinerFacts(request.refiner),
    // What is not written is read as 1, the default of other families.
    ['Clip skip', model.info.unet!.addition && clipSkip === 1 ? clipSkip : undefined],
    ['VAE', vaeName(vae)],
    ['LoRAs', adapters.usesOf(request.adapters).map(loraTag).join(' ') || undefined],
    ...request.control.map(controlFacts),
    ['Steered', request.steered ? 'True' : undefined],
  ];
  const written = other.flatMap(([label, value]) => (value === undefined ? [] : [[label, String(value)]]));
  return {
    ...{ prompt: request.prompts[prompt], negativePrompt: request.negativePrompts[prompt] },
    ...{ cfgScale, clipSkip, model: modelName },
    strength: source?.strength ?? hires?.strength,
    ...(subseedStrength > 0 && { subseed: subseedsOf(request)[picture], subseedStrength }),
    ...(hires && { width: request.width, height: request.height }), // before it was enlarged, as A1111 has it
    ...(written.length === 0 ? {} : { other: Object.fromEntries(written) }),
  };
}

/** Under the labels of A1111's extension; layers and method, which it does not choose, only where they are not its own. */
function perturbationFacts({ pagScale, pagLayers, pagMethod }: Direction): Line[] {
  if (pagScale === 0) return [];
  const layers: Line[] = `${pagLayers}` === 'mid' ? [] : [['PAG Layers', pagLayers.join(' ')]];
  const method: Line[] = pagMethod === 'identity' ? [] : [['PAG Method', pagMethod]];
  return [['PAG Active', 'True'], ['PAG Scale', pagScale], ...layers, ...method];
}

/** In A1111's words. */
function upscalerName({ upscaler }: ResolvedHires): string {
  if (upscaler instanceof Upscaler) return 'ESRGAN';
  return upscaler === 'latents' ? 'Latent' : 'Lanczos';
}

/** Of one that is not the model's own. */
function vaeName(vae: LatentCodec): string | undefined {
  return vae instanceof Vae ? vae.name : undefined;
}

/** As a prompt would name it: what was asked for is not in the prompt itself, which may be drawn without a folder of LoRAs. */
function loraTag(use: Parameters<typeof withDefaults>[0]): string {
  const { lora, weight, textEncoderWeight } = withDefaults(use);
  const weights = weight === textEncoderWeight ? [weight] : [textEncoderWeight, weight];
  return `<lora:${[lora.info.name, ...weights].join(':')}>`;
}

const controlModes: Record<ControlMode, string> = {
  balanced: 'Balanced',
  prompt: 'My prompt is more important',
  control: 'ControlNet is more important',
};

/** Under the labels of A1111's extension. */
function controlFacts({ net, weight, start, end, mode }: ResolvedControl, i: number): Line {
  const of = { Model: net.name, Weight: weight, 'Guidance Start': start, 'Guidance End': end };
  const parts = Object.entries({ ...of, 'Control Mode': controlModes[mode] });
  return [`ControlNet ${i}`, parts.map(([label, value]) => `${label}: ${value}`).join(', ')];
}
