/** The simplest diffusion model: a network on pixels, without prompt and without VAE. */
import path from 'node:path';
import { DiffusionError } from '../errors';
import type { Image } from '../image/image';
import { assetPath } from '../model/assets';
import { Model, type ModelInfo, type ModelOptions } from '../model/model';
import type { Seed } from '../sampling/noise';
import { answered } from './callback';
import { Turns } from './line';
import { noiseDraws, seedsOf } from './noise-draws';
import { toImages } from './pictures';
import { parseUnconditional } from './request';
import { lastStep, noiseModelOf, sampleLatents } from './sample';
import type { PipelineStep, ResolvedSampling, SamplingRequest, StepEvent } from './sampling-request';
import { type StageHashes, testimony } from './witness';

/** A request for pictures from noise alone. Sides are multiples of 2 to the power of the UNet's levels less one. */
export type UnconditionalRequest = SamplingRequest;

/** What {@link UnconditionalPipeline.generate} gives. */
export interface UnconditionalResult {
  /** With their generation parameters. */
  images: Image[];
  /** The seed of each picture. */
  seeds: Seed[];
  /** Of a request that is `deterministic`. */
  hashes?: StageHashes;
}

/** The unconditional model that comes with the package: small avatars from noise. */
export const embeddedDdpmPath = assetPath('ddpm.gguf');

/** Whether the model is a UNet on pixels that takes no text (DDPM, arXiv 2006.11239; diffusers' UNet2DModel). */
export function isUnconditional(info: ModelInfo): boolean {
  return info.unet?.contextWidth === 0;
}

/** A loaded unconditional model; `Pipeline.unconditional()` gives one. */
export class UnconditionalPipeline {
  private readonly turns_ = new Turns();

  private constructor(
    /** Its network. */
    readonly model: Model,
    private readonly modelName_: string,
  ) {}

  /**
   * Loads a model: a safetensors or GGUF file, a diffusers folder, or, without a path, the embedded one.
   *
   * @throws what {@link Model.load} throws; MISSING_COMPONENT if it is not unconditional; UNKNOWN_ARCHITECTURE if its pictures have
   * neither one channel nor three
   */
  static async load(file: string = embeddedDdpmPath, options: ModelOptions = {}): Promise<UnconditionalPipeline> {
    const model = await Model.load(file, options);
    try {
      const { unet } = model.info;
      if (!isUnconditional(model.info)) {
        const found = unet ? 'its UNet takes a prompt: load it with Pipeline.load()' : 'it has no UNet';
        throw new DiffusionError('MISSING_COMPONENT', `${file}: expected an unconditional model, but ${found}`);
      }
      if (unet?.inChannels !== 3 && unet?.inChannels !== 1) {
        throw new DiffusionError(
          'UNKNOWN_ARCHITECTURE',
          `${file}: expected pictures of 3 channels or 1, got ${unet?.inChannels}`,
        );
      }
      return new UnconditionalPipeline(model, path.basename(file, path.extname(file)));
    } catch (error) {
      await model.dispose();
      throw error;
    }
  }

  /** What the loaded model is. */
  get info(): ModelInfo {
    return this.model.info;
  }

  /**
   * Draws pictures from seeded noise.
   *
   * @throws INVALID_REQUEST, UNKNOWN_SAMPLER, UNKNOWN_SCHEDULE before any work; ABORTED; DISPOSED; OUT_OF_MEMORY
   */
  async generate(request: UnconditionalRequest = {}): Promise<UnconditionalResult> {
    const resolved = parseUnconditional(request, this.info);
    const { latents } = await lastStep(this.sample(resolved), (event) => this.tell(resolved, event));
    const images = await this.toImages(resolved, latents);
    return { images, seeds: seedsOf(resolved), ...testimony(resolved, images) };
  }

  /** The same, step by step, as {@link Pipeline.steps}. */
  async *steps(request: UnconditionalRequest = {}): AsyncGenerator<PipelineStep, void, void> {
    const resolved = parseUnconditional(request, this.info);
    for await (const event of this.sample(resolved)) {
      await this.tell(resolved, event);
      const pixels = event.step === event.steps ? event.latents : event.denoised;
      const decode = () => this.toImages(resolved, pixels);
      yield { ...event, decode, preview: decode };
    }
  }

  /** Frees the model; requests that run reject with `DISPOSED`. Harmless when repeated. */
  dispose(): Promise<void> {
    return this.model.dispose();
  }

  /** As `dispose`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  private async tell({ signal, onStep }: ResolvedSampling, event: StepEvent): Promise<void> {
    await answered(onStep?.(event), { signal, models: [this.model] });
  }

  private sample(request: ResolvedSampling): AsyncGenerator<StepEvent, void, void> {
    const { latentShape: shape, priority, signal } = request;
    const sigmas = request.schedule(request.steps, noiseModelOf(this.info.prediction));
    const noise = noiseDraws(request, shape);
    const start = request.latents ?? noise().map((value) => value * sigmas[0]);
    const predict = async (x: Float32Array, timestep: number) => {
      const pass = () => this.model.predictNoise(x, shape, timestep, null, signal);
      const guided = await this.turns_.take(pass, { priority, signal });
      return { guided, unconditional: guided };
    };
    return sampleLatents(this.info, request, predict, { shape, sigmas, start, noise });
  }

  private toImages(request: ResolvedSampling, pixels: Float32Array): Promise<Image[]> {
    return toImages(pixels, request, () => ({ prompt: '', model: this.modelName_ }));
  }
}
