/** An ensemble of experts (arXiv 2211.01324): a second model draws the last steps, where there is little noise left. */
import type { Model, ModelInfo } from '../model/model';
import type { NoiseModel } from '../sampling/noise-model';
import { checkNames, refuse } from './checks';
import { type Studio, studioOf } from './studio';

/** The model that draws the last steps: Stable Diffusion XL's refiner, or any other of the same latents. */
export interface RefinerOptions {
  /** A loaded pipeline; it is not disposed of with the other. */
  pipeline: { readonly model: Model };
  /** The share of the noise levels, 0 to 1 exclusive, that the first model draws: diffusers' `denoising_end`. Default 0.8. */
  switchAt?: number;
}

export interface ResolvedRefiner {
  readonly studio: Studio;
  readonly switchAt: number;
}

/** A part of the steps, and who draws it. */
export interface Leg {
  readonly studio: Studio;
  readonly sigmas: readonly number[];
  /** Steps before it. */
  readonly before: number;
}

/** Throws `INVALID_REQUEST`. */
export function parseRefiner(options: RefinerOptions, { vae }: ModelInfo): ResolvedRefiner {
  if (typeof options !== 'object' || options === null) refuse('refiner', 'an object with a pipeline', options);
  checkNames(options, ['pipeline', 'switchAt']);
  const { pipeline, switchAt = 0.8 } = options;
  const studio = studioOf(pipeline);
  if (!studio) return refuse('refiner.pipeline', 'a Pipeline', pipeline);
  const own = studio.info.vae;
  if (own?.latentChannels !== vae?.latentChannels || own?.downscale !== vae?.downscale) {
    const latents = (of: ModelInfo['vae']) =>
      `latents of ${of?.latentChannels} channels and 1 / ${of?.downscale} the size`;
    refuse('refiner.pipeline', `a model of ${latents(vae)}`, latents(own));
  }
  if (!(switchAt > 0 && switchAt < 1)) refuse('refiner.switchAt', 'a number above 0 and below 1', switchAt);
  return { studio, switchAt };
}

/** The steps as one model draws them, or two: the refiner takes those that begin at timesteps of less than `1 - switchAt` of all. */
export function legsOf(
  studio: Studio,
  sigmas: readonly number[],
  refiner: ResolvedRefiner | undefined,
  noiseModel: NoiseModel,
): Leg[] {
  const whole = { studio, sigmas, before: 0 };
  if (!refiner) return [whole];
  const steps = sigmas.length - 1;
  const last = Math.round(noiseModel.trainSteps * (1 - refiner.switchAt));
  const found = sigmas.slice(0, steps).findIndex((sigma) => noiseModel.sigmaToTimestep(sigma) < last);
  const before = found < 0 ? steps : found;
  const legs = [
    { studio, sigmas: sigmas.slice(0, before + 1), before: 0 },
    { studio: refiner.studio, sigmas: sigmas.slice(before), before },
  ];
  return legs.filter((leg) => leg.sigmas.length > 1);
}

/** As settings of generation parameters, under A1111's labels. */
export function refinerFacts(
  refiner: ResolvedRefiner | undefined,
): [label: string, value: string | number | undefined][] {
  return [
    ['Refiner', refiner?.studio.modelName],
    ['Refiner switch at', refiner?.switchAt],
  ];
}
