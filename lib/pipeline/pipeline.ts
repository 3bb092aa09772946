/** The class that people use: a loaded model with its tokenizer, ready for requests. */
import path from 'node:path';
import { DiffusionError } from '../errors';
import type { Image } from '../image/image';
import type { AdapterReport } from '../model/adapters';
import { assetPath } from '../model/assets';
import type { Lora } from '../model/lora';
import { type EncodedText, Model, type ModelInfo, type ModelOptions } from '../model/model';
import { Vae } from '../model/vae';
import { ClipTokenizer } from '../prompt/clip-tokenizer';
import { EmbeddingCache } from '../prompt/embedding-cache';
import { loadClipVocabulary, vocabularyFromMerges } from '../prompt/vocabulary';
import type { Seed } from '../sampling/noise';
import { type AdapterOptions, AdapterStore } from './adapter-store';
import { answered } from './callback';
import { definedOnly } from './checks';
import { type Direction, steered } from './direction';
import { decodeImages, drawLatents, endsOf } from './generate';
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
import { parseRequest, type ResolvedRequest, type TextRequest, type Txt2ImgRequest } from './request';
import { type AnyRequest, type ResumeOptions, Run, readRun } from './run';
import { lastStep } from './sample';
import { checkVae, type Given, infoWith } from './shared-vae';
import { isInpainting } from './source';
import { registerStudio, type Studio } from './studio';
import { encodersOf, type TextEncoder } from './text-encoders';
import { isUnconditional, UnconditionalPipeline } from './unconditional';
import { type StageHashes, testimony } from './witness';
import { type WordOptions, WordStore } from './word-store';

/** How a pipeline's model is loaded, and what is shared with it. */
export interface PipelineOptions extends ModelOptions, AdapterOptions, WordOptions {
  /** In place of the model's own VAE: one that is shared, or a path. What a path says is loaded and disposed of with the pipeline. */
  vae?: Vae | string;
  /** Makes the previews: a tiny VAE (TAESD) of the model's family, or its path. Default: a linear map where there is one. */
  preview?: Vae | string;
}

/** What every task gives: of several prompts first the pictures of the first one, then those of the second ... */
export interface GenerationResult {
  /** With their generation parameters. */
  images: Image[];
  /** The seed of each picture. */
  seeds: Seed[];
  /** Of a request that is `deterministic`. */
  hashes?: StageHashes;
}

/** The model that comes with the package: small avatars from text. */
export const embeddedModelPath = assetPath('avatar.gguf');

type Owned = Pick<Model, 'dispose'>;

/** A loaded model with its tokenizer, ready for requests: any number at once, which share passes of the network. */
export class Pipeline {
  private constructor(
    /** Its networks. */
    readonly model: Model,
    private readonly studio_: Studio,
    /** What is disposed of with the pipeline. */
    private readonly owned_: readonly Owned[],
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
    const { vae: vaeOption, preview: previewOption, ...modelOptions } = options;
    const model = await Model.load(file, modelOptions);
    const owned: Owned[] = [model];
    try {
      if (isUnconditional(model.info)) {
        throw new DiffusionError(
          'MISSING_COMPONENT',
          `${file}: this model is unconditional and takes no prompt: load it with Pipeline.unconditional()`,
        );
      }
      const vae = await openVae(asOption('vae'), vaeOption, model.info, modelOptions, owned);
      const preview = await openVae(asOption('preview'), previewOption, model.info, modelOptions, owned);
      const info = vae ? infoWith(model.info, vae, asOption('vae')) : model.info;
      if (preview) infoWith(model.info, preview, asOption('preview'));
      checkParts(file, info);
      checkChannels(file, info);
      const modelName = path.basename(file, path.extname(file));
      const encoders = createEncoders(file, model.info);
      const [embeddings, passes] = [new EmbeddingCache<readonly EncodedText[]>(), new JointPasses(model)];
      const [adapters, words] = [new AdapterStore(model, options), new WordStore(model.info, encoders, options)];
      const text = { model, encoders, modelName, embeddings, passes, adapters, words };
      return new Pipeline(model, { ...text, info, vae: vae ?? model, preview }, owned);
    } catch (error) {
      for (const part of owned) await part.dispose();
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

  /** What the loaded model is, with the VAE in use. */
  get info(): ModelInfo {
    return this.studio_.info;
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
    const studio = this.studioFor(request);
    return this.draw(studio, parseRequest(request, studio.info));
  }

  /**
   * Draws pictures from a picture and a prompt.
   *
   * @throws as {@link Pipeline.txt2img}
   */
  async img2img(request: Img2ImgRequest): Promise<GenerationResult> {
    const studio = this.studioFor(request);
    return this.draw(studio, parseImg2Img(request, studio.info));
  }

  /**
   * Repaints what is white in the mask. Works with every model; one that was made for it (a UNet of 9 channels) sees what is
   * around.
   *
   * @throws as {@link Pipeline.txt2img}
   */
  async inpaint(request: InpaintRequest): Promise<GenerationResult> {
    const studio = this.studioFor(request);
    return this.draw(studio, parseInpaint(request, studio.info));
  }

  /**
   * Draws beyond the edges of a picture: inpainting on a larger canvas.
   *
   * @throws as {@link Pipeline.txt2img}
   */
  async outpaint(request: OutpaintRequest): Promise<GenerationResult> {
    return this.inpaint(await outpaintToInpaint(request, this.studioFor(request).info));
  }

  /**
   * The same, step by step: `for await (const step of pipeline.steps(request))`. Leaving the loop ends the work; nothing is computed
   * ahead of it. `step.decode()` gives a preview, and at the last step the pictures. The run may be steered and saved.
   *
   * @throws as {@link Pipeline.txt2img}
   */
  steps(request: AnyRequest): Run {
    const studio = this.studioFor(request);
    return new Run(studio, request, parseAny(request, studio.info));
  }

  /**
   * Takes up a run where it was saved. With the same model file in the same precision the pictures are the same to the
   * byte, whatever the threads.
   *
   * @param saved the bytes of {@link Run.save}
   * @param options what is not saved: `signal`, `onStep`, and `sampler` and `schedule` where they were functions
   * @throws FILE_INVALID if the bytes are no saved run, or damaged; INVALID_REQUEST if it is another model's, or a function is missing
   */
  resume(saved: Uint8Array, options: ResumeOptions = {}): Run {
    const run = readRun(saved, this.info, options);
    const request = { ...run.request, ...definedOnly(options) };
    const studio = this.studioFor(request);
    return new Run(studio, request, parseAny(request, studio.info), run);
  }

  /** Frees the model, but nothing that it shares with others; requests that run reject with `DISPOSED`. Harmless when repeated. */
  async dispose(): Promise<void> {
    await Promise.all(this.owned_.map((part) => part.dispose()));
  }

  /** As `dispose`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  /** With the request's own VAE where it has one. */
  private studioFor(request: Pick<TextRequest, 'vae'>): Studio {
    const { vae } = request ?? {};
    if (vae === undefined) return this.studio_;
    const given = { name: 'vae', code: 'INVALID_REQUEST' } as const;
    checkVae(vae, given);
    return { ...this.studio_, vae, info: infoWith(this.model.info, vae, given) };
  }

  private async draw(studio: Studio, request: ResolvedRequest): Promise<GenerationResult> {
    let direction: Direction = request;
    let drawn = request;
    const last = await lastStep(
      drawLatents(studio, request, () => direction),
      async (event) => {
        drawn = { ...request, steered: direction.steered }; // what changes from here on is not in this step
        direction = steered(direction, await answered(request.onStep?.(event), endsOf(studio, request)));
      },
    );
    const images = await decodeImages(studio, drawn, last);
    return { images, seeds: seedsOf(request), ...testimony(request, images) };
  }
}

/** A request for any task, by what it has. */
function parseAny(request: AnyRequest, info: ModelInfo): ResolvedRequest {
  const { image, mask } = (request ?? {}) as Partial<InpaintRequest>;
  if (mask !== undefined) return parseInpaint(request as InpaintRequest, info);
  return image === undefined ? parseRequest(request, info) : parseImg2Img(request as Img2ImgRequest, info);
}

const asOption = (name: string): Given => ({ name, code: 'INVALID_ARGUMENT' });

/** A shared VAE as it is; what a path says is loaded, and owned. */
async function openVae(
  given: Given,
  value: Vae | string | undefined,
  { vae }: ModelInfo,
  { precision, threads, memoryBudgetBytes, device, signal }: ModelOptions,
  owned: Owned[],
): Promise<Vae | undefined> {
  if (value === undefined) return undefined;
  if (typeof value !== 'string') {
    checkVae(value, given);
    return value;
  }
  const scalingFactor = vae?.tiny ? undefined : vae?.scalingFactor;
  const opened = await Vae.load(value, { precision, threads, memoryBudgetBytes, device, signal, scalingFactor });
  owned.push(opened);
  return opened;
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
