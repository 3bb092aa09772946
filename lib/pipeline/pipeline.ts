/** The class that people use: a loaded model with its tokenizer, ready for requests. */
import path from 'node:path';
import { DiffusionError } from '../errors';
import type { Image } from '../image/image';
import type { AdapterReport } from '../model/adapters';
import { assetPath } from '../model/assets';
import type { Lora } from '../model/lora';
import { type EncodedText, Model, type ModelInfo, type ModelOptions } from '../model/model';
import { ClipTokenizer } from '../prompt/clip-tokenizer';
import { EmbeddingCache } from '../prompt/embedding-cache';
import { loadClipVocabulary, vocabularyFromMerges } from '../prompt/vocabulary';
import type { Seed } from '../sampling/noise';
import { type AdapterOptions, AdapterStore } from './adapter-store';
import { definedOnly } from './checks';
import { type Direction, steered } from './direction';
import { decodeImages, drawLatents } from './generate';
import {
  type Img2ImgRequest,
  type InpaintRequest,
  type OutpaintRequest,
  outpaintToInpaint,
  parseImg2Img,
  parseInpaint,
} from './image-request';
import { JointPasses } from './joint-passes';
import { seedsOf } from './noise-draws';
import { parseRequest, type ResolvedRequest, type Txt2ImgRequest } from './request';
import { type AnyRequest, type ResumeOptions, Run, readRun } from './run';
import { lastStep } from './sample';
import { isInpainting } from './source';
import { registerStudio, type Studio } from './studio';
import { encodersOf, type TextEncoder } from './text-encoders';
import { isUnconditional, UnconditionalPipeline } from './unconditional';
import { type StageHashes, testimony } from './witness';
import { type WordOptions, WordStore } from './word-store';

export interface PipelineOptions extends ModelOptions, AdapterOptions, WordOptions {}

/** What every task gives: of several prompts first the pictures of the first one, then those of the second ... */
export interface GenerationResult {
  images: Image[];
  /** The seed of each picture. */
  seeds: Seed[];
  /** Of a request that is `deterministic`. */
  hashes?: StageHashes;
}

/** The model that comes with the package: small avatars from text. */
export const embeddedModelPath = assetPath('avatar.safetensors');

export class Pipeline {
  private constructor(
    readonly model: Model,
    private readonly studio_: Studio,
  ) {
    registerStudio(this, studio_);
  }

  /**
   * Loads a model: a safetensors or GGUF file, a diffusers folder, or, without a path, the embedded avatar model.
   *
   * @throws what {@link Model.load} throws; MISSING_COMPONENT if it lacks a text encoder, UNet or VAE, as unconditional models do;
   * UNKNOWN_ARCHITECTURE if its UNet takes neither latents alone nor latents, a mask and a masked picture
   */
  static async load(file: string = embeddedModelPath, options: PipelineOptions = {}): Promise<Pipeline> {
    const model = await Model.load(file, options);
    try {
      if (isUnconditional(model.info)) {
        throw new DiffusionError(
          'MISSING_COMPONENT',
          `${file}: this model is unconditional and takes no prompt: load it with Pipeline.unconditional()`,
        );
      }
      checkParts(file, model.info);
      checkChannels(file, model.info);
      const modelName = path.basename(file, path.extname(file));
      const encoders = createEncoders(file, model.info);
      const [embeddings, passes] = [new EmbeddingCache<readonly EncodedText[]>(), new JointPasses(model)];
      const [adapters, words] = [new AdapterStore(model, options), new WordStore(model.info, encoders, options)];
      return new Pipeline(model, { model, encoders, modelName, embeddings, passes, adapters, words });
    } catch (error) {
      await model.dispose();
      throw error;
    }
  }

  /**
   * Loads an unconditional model, which draws from noise alone: `(await Pipeline.unconditional()).generate({ seed: 1 })`. Without a
   * path, the embedded one.
   *
   * @throws what {@link UnconditionalPipeline.load} throws
   */
  static unconditional(file?: string, options?: PipelineOptions): Promise<UnconditionalPipeline> {
    return UnconditionalPipeline.load(file, options);
  }

  /** What the loaded model is. */
  get info(): ModelInfo {
    return this.model.info;
  }

  /** That of the first text encoder. */
  get tokenizer(): ClipTokenizer {
    return this.studio_.encoders[0].tokenizer;
  }

  /**
   * How many of a LoRA's tensors change this model.
   *
   * @throws INVALID_ARGUMENT if none does, TENSOR_SHAPE if it is for layers of another shape
   */
  reportOf(lora: Lora): Promise<AdapterReport> {
    return this.studio_.adapters.reportOf(lora);
  }

  /**
   * Draws pictures from a prompt.
   *
   * @throws INVALID_REQUEST, UNKNOWN_SAMPLER, UNKNOWN_SCHEDULE before any work; ABORTED; DISPOSED; OUT_OF_MEMORY
   */
  async txt2img(request: Txt2ImgRequest): Promise<GenerationResult> {
    return this.draw(parseRequest(request, this.info));
  }

  /**
   * Draws pictures from a picture and a prompt.
   *
   * @throws as {@link Pipeline.txt2img}
   */
  async img2img(request: Img2ImgRequest): Promise<GenerationResult> {
    return this.draw(parseImg2Img(request, this.info));
  }

  /**
   * Repaints what is white in the mask. Works with every model; one that was made for it (a UNet of 9 channels) sees what is
   * around.
   *
   * @throws as {@link Pipeline.txt2img}
   */
  async inpaint(request: InpaintRequest): Promise<GenerationResult> {
    return this.draw(parseInpaint(request, this.info));
  }

  /**
   * Draws beyond the edges of a picture: inpainting on a larger canvas.
   *
   * @throws as {@link Pipeline.txt2img}
   */
  async outpaint(request: OutpaintRequest): Promise<GenerationResult> {
    return this.inpaint(outpaintToInpaint(request, this.info));
  }

  /**
   * The same, step by step: `for await (const step of pipeline.steps(request))`. Leaving the loop ends the work; nothing is computed
   * ahead of it. `step.decode()` gives a preview, and at the last step the pictures. The run may be steered and saved.
   *
   * @throws as {@link Pipeline.txt2img}
   */
  steps(request: AnyRequest): Run {
    return new Run(this.studio_, request, this.parse(request));
  }

  /**
   * Takes up a run where it was saved. With the same model file in the same precision the pictures are the same to the
   * byte, whatever the threads.
   *
   * @param saved the bytes of {@link Run.save}
   * @param options what is not saved: `signal`, `onStep`, and `sampler` and `schedule` where they were functions
   * @throws FILE_INVALID if the bytes are no saved run; INVALID_REQUEST if it is another model's, or a function is missing
   */
  resume(saved: Uint8Array, options: ResumeOptions = {}): Run {
    const run = readRun(saved, this.info, options);
    const request = { ...run.request, ...definedOnly(options) };
    return new Run(this.studio_, request, this.parse(request), run);
  }

  /** Frees the model; requests that run reject with `DISPOSED`. Harmless when repeated. */
  dispose(): Promise<void> {
    return this.model.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  private parse(request: AnyRequest): ResolvedRequest {
    const { image, mask } = (request ?? {}) as Partial<InpaintRequest>;
    if (mask !== undefined) return parseInpaint(request as InpaintRequest, this.info);
    return image === undefined ? parseRequest(request, this.info) : parseImg2Img(request as Img2ImgRequest, this.info);
  }

  private async draw(request: ResolvedRequest): Promise<GenerationResult> {
    let direction: Direction = request;
    const last = await lastStep(
      drawLatents(this.studio_, request, () => direction),
      async (event) => {
        direction = steered(direction, await request.onStep?.(event));
      },
    );
    const images = await decodeImages(this.studio_, request, last);
    return { images, seeds: seedsOf(request), ...testimony(request, images) };
  }
}

/** Throws `MISSING_COMPONENT` with what the model was recognised as, and what it lacks. */
function checkParts(file: string, { title, components, unet, textEncoder2 }: ModelInfo): void {
  // The refiner reads its one encoder alone.
  const isSecondAlone = unet?.addition !== undefined && unet.contextWidth === textEncoder2?.width;
  const wanted: [name: string, isThere: boolean][] = [
    ['unet', components.unet],
    ['vae', components.vae],
    ['textEncoder', components.textEncoder || isSecondAlone],
    ['textEncoder2', components.textEncoder2 || unet?.addition === undefined],
  ];
  const missing = wanted.filter(([, isThere]) => !isThere).map(([name]) => name);
  if (missing.length === 0) return;
  throw new DiffusionError(
    'MISSING_COMPONENT',
    `${file}: recognised as ${title}; a pipeline needs text encoders, UNet and VAE; missing: ${missing.join(', ')}`,
  );
}

function checkChannels(file: string, info: ModelInfo): void {
  const [unet, latents] = [info.unet!, info.vae!.latentChannels];
  if (unet.outChannels === latents && (unet.inChannels === latents || isInpainting(info))) return;
  throw new DiffusionError(
    'UNKNOWN_ARCHITECTURE',
    `${file}: expected a UNet of ${latents} channels, or ${2 * latents + 1} for inpainting, and ${latents} of output, ` +
      `got ${unet.inChannels} and ${unet.outChannels}`,
  );
}

function createEncoders(file: string, info: ModelInfo): TextEncoder[] {
  const numbers = encodersOf(info);
  const width = (number: 1 | 2) => (number === 1 ? info.textEncoder : info.textEncoder2)?.width ?? 0;
  const sum = numbers.reduce((total, number) => total + width(number), 0);
  if (sum !== info.unet?.contextWidth) {
    const got = [info.textEncoder?.width, info.textEncoder2?.width]
      .filter((value) => value !== undefined)
      .join(' and ');
    throw new DiffusionError(
      'UNKNOWN_ARCHITECTURE',
      `${file}: expected text encoders for a UNet that reads text of width ${info.unet?.contextWidth}, got ${got}`,
    );
  }
  return numbers.map((number) => ({ number, tokenizer: createTokenizer(info, number) }));
}

function createTokenizer(info: ModelInfo, number: 1 | 2): ClipTokenizer {
  const vocabulary = info.merges === '' ? loadClipVocabulary() : vocabularyFromMerges(info.merges);
  const encoder = number === 1 ? info.textEncoder : info.textEncoder2;
  const size = encoder?.vocabularySize;
  if (vocabulary.tokens.length !== size) {
    throw new DiffusionError(
      'INVALID_VOCABULARY',
      `the text encoder has ${size} tokens, but its vocabulary has ${vocabulary.tokens.length}`,
    );
  }
  const padToken = number === 2 || info.padToken === 'zero' ? 0 : undefined;
  return new ClipTokenizer(vocabulary, { padToken, contextLength: encoder?.contextLength });
}
