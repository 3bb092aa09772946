/** The class that people use: a loaded model with its tokenizer, ready for requests. */
import path from 'node:path';
import { DiffusionError } from '../errors';
import type { Image } from '../image/image';
import { Model, type ModelInfo, type ModelOptions } from '../model/model';
import { ClipTokenizer } from '../prompt/clip-tokenizer';
import { loadClipVocabulary, vocabularyFromMerges } from '../prompt/vocabulary';
import type { Seed } from '../sampling/noise';
import { decodeImages, type Studio, sampleLatents, seedOfImage } from './generate';
import { parseRequest, type StepEvent, type Txt2ImgRequest } from './request';

export type PipelineOptions = ModelOptions;

export interface Txt2ImgResult {
  images: Image[];
  /** The seed of each picture. */
  seeds: Seed[];
  /** Tokens of the prompt, and of the negative prompt, that did not fit the text encoder's window and were left out. */
  tokensLeftOut: { prompt: number; negativePrompt: number };
}

/** A step of {@link Pipeline.steps}. */
export interface PipelineStep extends StepEvent {
  /** Decodes this step: the denoised latents as a preview, at the last step the finished pictures. */
  decode(): Promise<Image[]>;
}

/** The model that comes with the package: small avatars from text. */
export const embeddedModelPath = path.resolve(__dirname, '..', '..', 'assets', 'avatar.safetensors');

export class Pipeline {
  private constructor(
    readonly model: Model,
    private readonly studio_: Studio,
  ) {}

  /**
   * Loads a model: a safetensors or GGUF file, a diffusers folder, or, without a path, the embedded avatar model.
   *
   * @throws what {@link Model.load} throws; MISSING_COMPONENT if it lacks a text encoder, UNet or VAE
   */
  static async load(file: string = embeddedModelPath, options: PipelineOptions = {}): Promise<Pipeline> {
    const model = await Model.load(file, options);
    try {
      const missing = Object.entries(model.info.components).filter(([, there]) => !there);
      if (missing.length > 0) {
        const names = missing.map(([name]) => name).join(', ');
        throw new DiffusionError(
          'MISSING_COMPONENT',
          `${file}: a pipeline needs text encoder, UNet and VAE; missing: ${names}`,
        );
      }
      const tokenizer = createTokenizer(model.info);
      return new Pipeline(model, { model, tokenizer, modelName: path.basename(file, path.extname(file)) });
    } catch (error) {
      await model.dispose();
      throw error;
    }
  }

  /** What the loaded model is. */
  get info(): ModelInfo {
    return this.model.info;
  }

  get tokenizer(): ClipTokenizer {
    return this.studio_.tokenizer;
  }

  /**
   * Draws pictures from a prompt.
   *
   * @throws INVALID_REQUEST, UNKNOWN_SAMPLER, UNKNOWN_SCHEDULE before any work; ABORTED; DISPOSED; OUT_OF_MEMORY
   */
  async txt2img(request: Txt2ImgRequest): Promise<Txt2ImgResult> {
    const resolved = parseRequest(request, this.info);
    let latents: Float32Array | undefined;
    for await (const event of sampleLatents(this.studio_, resolved)) {
      latents = event.latents;
      await resolved.onStep?.(event);
    }
    if (!latents)
      throw new DiffusionError('INVALID_REQUEST', 'sampler: expected it to yield at least one step, got none');
    const leftOut = (text: string) => this.tokenizer.encodePrompt(text).truncated;
    return {
      images: await decodeImages(this.studio_, resolved, latents),
      seeds: Array.from({ length: resolved.batchSize }, (_, i) => seedOfImage(resolved.seed, i)),
      tokensLeftOut: { prompt: leftOut(resolved.prompt), negativePrompt: leftOut(resolved.negativePrompt) },
    };
  }

  /**
   * The same, step by step: `for await (const step of pipeline.steps(request))`. Leaving the loop ends the work; nothing is computed
   * ahead of it. `step.decode()` gives a preview, and at the last step the pictures.
   */
  async *steps(request: Txt2ImgRequest): AsyncGenerator<PipelineStep, void, void> {
    const resolved = parseRequest(request, this.info);
    for await (const event of sampleLatents(this.studio_, resolved)) {
      await resolved.onStep?.(event);
      const latents = event.step === event.steps ? event.latents : event.denoised;
      yield { ...event, decode: () => decodeImages(this.studio_, resolved, latents) };
    }
  }

  /** Frees the model; requests that run reject with `DISPOSED`. Harmless when repeated. */
  dispose(): Promise<void> {
    return this.model.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

function createTokenizer(info: ModelInfo): ClipTokenizer {
  const vocabulary = info.merges === '' ? loadClipVocabulary() : vocabularyFromMerges(info.merges);
  const size = info.textEncoder?.vocabularySize;
  if (vocabulary.tokens.length !== size) {
    throw new DiffusionError(
      'INVALID_VOCABULARY',
      `the text encoder has ${size} tokens, but its vocabulary has ${vocabulary.tokens.length}`,
    );
  }
  const padToken = info.padToken === 'zero' ? 0 : undefined;
  return new ClipTokenizer(vocabulary, { padToken, contextLength: info.textEncoder?.contextLength });
}
