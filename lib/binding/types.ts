/** The whole contract with the native addon, typed in one file. What is here is what native/addon exports. */

/** Stops native work from outside: `cancel()` is seen inside a running step. One object serves one call. */
export interface NativeCancellation {
  cancel(): void;
}

/** What a model is, read from its configuration and its tensor shapes. */
export interface NativeModelInfo {
  /**
   * `sd1`, `sd2`, `sdxl`, `sdxl_refiner`, `custom` (another size of the same architecture) or `ddpm` (an unconditional UNet on pixels).
   * Distilled models are of the family that they were distilled from.
   */
  family: string;
  /** The family in words. */
  title: string;
  /** `safetensors`, `gguf`, `pytorch` or `diffusers`. */
  format: string;
  /** Which parts the file has. */
  components: { unet: boolean; vae: boolean; textEncoder: boolean; textEncoder2: boolean };
  textEncoder?: NativeTextEncoderInfo;
  /** Stable Diffusion XL's OpenCLIP encoder; the only one of its refiner. */
  textEncoder2?: NativeTextEncoderInfo;
  unet?: {
    inChannels: number;
    outChannels: number;
    /** Of the text that it attends to; 0 for an unconditional UNet. */
    contextWidth: number;
    blockChannels: number[];
    /** The blocks with attention, in the order of computation: `down.0` ..., `mid`, `up.0` ... */
    attentionBlocks: string[];
    /** Side of the latents (an unconditional UNet: pixels) that it was trained on, where its configuration tells. */
    sampleSize?: number;
    /** What it takes beside each text (Stable Diffusion XL): the pooled text, and 6 numbers about the picture's size, or 5 in the refiner. */
    addition?: { pooledWidth: number; sizeNumbers: 5 | 6 };
    /** Whether it was distilled with the guidance scale as an input (LCM, arXiv 2310.04378). */
    takesGuidance: boolean;
  };
  vae?: {
    latentChannels: number;
    scalingFactor: number;
    downscale: number;
    /** A tiny autoencoder (TAESD), which works in the UNet's own scale. */
    tiny: boolean;
  };
  /** Of a file that is a ControlNet: what its hint's sides are divided by, and how many maps it gives the UNet. */
  controlNet?: { downscale: number; maps: number };
  /** Of a file that is an upscaler. */
  upscaler?: { scale: number; blocks: number };
  prediction: {
    /** Noise, velocity, noise-free latents, or the flow from them to the noise. */
    type: 'epsilon' | 'v_prediction' | 'x0' | 'flow';
    /** Betas make the levels of all but flows. */
    betaSchedule: string;
    betaStart: number;
    betaEnd: number;
    trainSteps: number;
    /** Whether the betas are rescaled so that the last timestep is pure noise (arXiv 2305.08891). */
    zeroTerminalSnr: boolean;
    /** How much a flow's levels are moved up, 1 for none; flows alone have it. */
    flowShift?: number;
    /** Noise-free pixels are held to -clipRange..clipRange; absent where they are not, as for latents. */
    clipRange?: number;
  };
  /** Layers of the text encoder that the family leaves out at the end (0 for SD 1, 1 for SD 2 files with all layers). */
  skippedTextLayers: number;
  /** The token that fills a prompt's window: end-of-text for SD 1, 0 for SD 2. The second encoder's is 0. */
  padToken: 'end' | 'zero';
  /** Whether an empty negative prompt means zeros in place of its embeddings. */
  zeroEmptyNegative: boolean;
  /** Side in pixels of the pictures that the model was trained on: the configuration's, else the family's. */
  pictureSize?: number;
  /** The class of diffusers' scheduler that the file's configuration names, e.g. `LCMScheduler`. */
  scheduler?: string;
  /** The file's own suggestions for a request, as JSON text; empty where it brings none. */
  defaults: string;
  /** The tokenizer's merges, one a line; empty where the file brings none (CLIP's own vocabulary is meant). */
  merges: string;
  /** The number format that most weights have, e.g. `f16`; only on loaded models. */
  precision?: string;
  /** What it runs on, of several networks the UNet: `cpu`, `cuda`, `metal` or `vulkan`; only on loaded models. */
  device?: string;
  /** Why it, or some of its networks, are on the CPU though another device was chosen; absent where they are not. */
  deviceReason?: string;
  parameters: number;
  /** Bytes of the loaded weights, or of the tensors in the file. */
  weightBytes: number;
}

/** What a text encoder is. */
export interface NativeTextEncoderInfo {
  layers: number;
  width: number;
  heads: number;
  vocabularySize: number;
  contextLength: number;
  /** Of the pooled text, where the encoder gives one. */
  projectionWidth?: number;
}

export interface NativeLoadOptions {
  precision: string;
  /** `auto`, `cpu`, `cuda`, `metal` or `vulkan`; only load() reads it. */
  device?: string;
  threads: number;
  /** Bytes of compute buffers; null: no limit, but pictures are decoded in tiles from 1 GiB on. */
  memoryBudgetBytes: number | null;
  /** Leaves out all but the VAE. */
  only?: 'vae';
  /** Of a VAE whose file does not say it. Default Stable Diffusion's, 0.18215. */
  scalingFactor?: number;
}

/** Conditioning of a request, kept native: embeddings and the cross-attention keys and values made from them. */
export interface NativeContext {
  /** How many conditionings it holds. */
  readonly rows: number;
  /** Frees its memory, which otherwise goes when it is collected. */
  dispose(): void;
}

/** What the attention of some blocks leaves out, for guidance away from what the UNet then predicts. */
export interface NativePerturbation {
  /** `identity`: each pixel attends to itself alone (arXiv 2403.17377). `skip`: the transformers are left out, text and all. */
  kind: 'identity' | 'skip';
  /** Some of `info.unet.attentionBlocks`. */
  blocks: readonly string[];
}

/** The picture that a ControlNet follows, embedded once for all steps. */
export interface NativeHint {
  /** Frees its memory, which otherwise goes when it is collected. */
  dispose(): void;
}

/** What a ControlNet adds to the maps of a UNet at one step. */
export interface NativeResiduals {
  /** Frees its memory, which otherwise goes when it is collected. */
  dispose(): void;
}

/** What a single prediction may say beside its timestep. */
export interface NativePredictOptions {
  /** Blocks whose attention is left out. */
  perturbed?: NativePerturbation;
  /** Of ControlNets at the same step, latents and rows of the context; those of several are summed. */
  residuals?: readonly NativeResiduals[];
  /** The guidance scale, for a UNet that takes it, and for no other. */
  guidance?: number;
}

/** What a text encoder makes of texts. */
export interface NativeEncodedText {
  /** f32 `[rows, tokens, width]` */
  embeddings: Float32Array;
  /** f32 `[rows, projectionWidth]`; null where the encoder has no projection. */
  pooled: Float32Array | null;
}

/** What Stable Diffusion XL's UNet takes beside each row of embeddings. */
export interface NativeAddition {
  /** f32 `[rows, pooledWidth]` */
  pooled: Float32Array;
  /**
   * f32 `[rows, 6]`: original height and width, the crop's top and left, target height and width; in the refiner `[rows, 5]`: original
   * height and width, the crop's top and left, aesthetic score.
   */
  sizeNumbers: Float32Array;
}

/** What the VAE gives. */
export interface NativePicture {
  values: Float32Array;
  /** Whether they came out as other values than numbers, and were computed again in f32. */
  wasRetried: boolean;
}

/** Multiply-adds counted twice, by the numbers that are multiplied. */
export interface NativeOperations {
  f32: number;
  bf16: number;
  int8: number;
}

/** Seconds and memory of the work so far, by stage. */
export interface NativeStats {
  encodeTextSeconds: number;
  contextSeconds: number;
  predictNoiseSeconds: number;
  decodeSeconds: number;
  encodeSeconds: number;
  /** Of the last predictNoise and decode. */
  predictNoiseOperations: NativeOperations;
  decodeOperations: NativeOperations;
  /** Bytes of the compute buffers that are allocated now. */
  computeBytes: number;
}

/** What a LoRA file is. */
export interface NativeLoraInfo {
  /** Of `lora`, `loha`, `lokr` and `full`, what its layers are. */
  kinds: string[];
  /** The highest of its layers; 0 where none has one. */
  rank: number;
  layers: number;
  tensors: number;
  bytes: number;
  /** The family of models that it is for, in words, as far as the file tells; else empty. */
  madeFor: string;
  metadata: Record<string, string>;
}

/** A LoRA file in memory. Models share it. */
export interface NativeLora {
  readonly info: NativeLoraInfo;
  /** Models that use it keep what they need. */
  dispose(): void;
}

/** How much of a LoRA's file a model knows what to do with. */
export interface NativeAdapterReport {
  /** Tensors that change the model. */
  matched: number;
  /** All tensors of the file. */
  total: number;
  /** Names of the others. */
  unmatched: string[];
  /** Layers of the UNet that it changes. */
  unetLayers: number;
  /** The same of the text encoders. */
  textEncoderLayers: number;
}

/** LoRAs with weights, for one model. */
export interface NativeAdapterSet {
  /** In the order in which they were given. */
  readonly reports: NativeAdapterReport[];
  dispose(): void;
}

export interface NativeModel {
  readonly info: NativeModelInfo;
  /** The addon's own, in the process that has the model. */
  loadLora(path: string): Promise<NativeLora>;
  /** Nothing is changed before the set is used. */
  createAdapters(
    adapters: readonly { lora: NativeLora; unetWeight: number; textEncoderWeight: number }[],
  ): Promise<NativeAdapterSet>;
  /**
   * `ids` int32 `[rows, tokens]`, by the first or second text encoder; the last `skipLayers` layers are left out of the embeddings. The
   * final norm is applied, but in models with a second encoder to the pooled text alone. Ids from the vocabulary's size on are rows of
   * `vectors` f32 `[n, width]`.
   */
  encodeText(
    ids: Int32Array,
    rows: number,
    skipLayers: number,
    encoder: 1 | 2,
    cancellation: NativeCancellation | null,
    adapters: NativeAdapterSet | null,
    vectors: Float32Array | null,
  ): Promise<NativeEncodedText>;
  /**
   * f32 `[rows, tokens, width]` -> the context that {@link NativeModel.predictNoise} takes; with it the UNet is changed by `adapters`.
   * `addition` is for UNets that take one, and for no other.
   */
  createContext(
    embeddings: Float32Array,
    rows: number,
    addition: NativeAddition | null,
    cancellation: NativeCancellation | null,
    adapters: NativeAdapterSet | null,
  ): Promise<NativeContext>;
  /**
   * `latents` f32 `[n, channels, height, width]`, or `[rows, n, ...]` where each row has its own, scaled as the network wants them -> f32
   * `[rows, n, channels, height, width]`. An unconditional UNet takes pixels and no context, and gives one row.
   */
  predictNoise(
    latents: Float32Array,
    shape: readonly [n: number, channels: number, height: number, width: number],
    timestep: number,
    context: NativeContext | null,
    options: NativePredictOptions | null,
    cancellation: NativeCancellation | null,
  ): Promise<Float32Array>;
  /** f32 `[n, channels, height, width]` latents (unscaled by the VAE's factor natively) -> f32 `[n, 3, H, W]` in -1..1, not clamped. */
  decode(
    latents: Float32Array,
    shape: readonly [number, number, number, number],
    cancellation: NativeCancellation | null,
  ): Promise<NativePicture>;
  /** f32 `[n, 3, H, W]` in -1..1 -> the mean of the latent distribution times the scaling factor, f32 `[n, channels, H/f, W/f]`. */
  encode(
    pixels: Float32Array,
    shape: readonly [number, number, number, number],
    cancellation: NativeCancellation | null,
  ): Promise<NativePicture>;
  /** A ControlNet's: f32 `[1, 3, H, W]` in 0..1 -> the hint of latents of `H / f` x `W / f`. */
  embedHint(
    pixels: Float32Array,
    shape: readonly [number, number, number, number],
    cancellation: NativeCancellation | null,
  ): Promise<NativeHint>;
  /**
   * A ControlNet's: latents, shape, timestep and context (its own) as predictNoise takes them, strengths f32 `[rows, maps]` -> the maps for
   * {@link NativePredictOptions}.
   */
  controlResiduals(
    latents: Float32Array,
    shape: readonly [n: number, channels: number, height: number, width: number],
    timestep: number,
    context: NativeContext,
    hint: NativeHint,
    strengths: Float32Array,
    cancellation: NativeCancellation | null,
  ): Promise<NativeResiduals>;
  /** An upscaler's: f32 `[n, 3, H, W]` in -1..1 -> the same `scale` times as large, not clamped. `onProgress` hears 0..1. */
  upscale(
    pixels: Float32Array,
    shape: readonly [number, number, number, number],
    cancellation: NativeCancellation | null,
    onProgress: ((fraction: number) => void) | null,
  ): Promise<Float32Array>;
  stats(): Promise<NativeStats>;
  /** Ends the engine thread after the work in hand and frees the weights; later calls reject with `DISPOSED`. */
  dispose(): Promise<void>;
}

export interface NativeMemoryRequest {
  width: number;
  height: number;
  batchSize: number;
  /** Conditionings of a pass: 2 with a negative prompt. */
  rows: number;
  /** Of the text encoder's context length, a prompt. */
  windows: number;
  encodesPictures: boolean;
}

/** Bytes. Stages share one compute buffer, as large as the largest of them. */
export interface NativeMemoryUse {
  weights: number;
  compute: number;
  /** Of the graphs, with a context's keys and values. */
  inputs: number;
  encodeText: number;
  createContext: number;
  predictNoise: number;
  decode: number;
  encode: number;
}

export interface NativeConversionOptions {
  type: string;
  rules: readonly { pattern: string; type: string }[];
  /** Path of the model whose VAE is taken; empty: the input's own. */
  vae: string;
  threads: number;
}

/** What was written. */
export interface NativeConversionResult {
  format: 'gguf' | 'safetensors';
  /** Of the file. */
  bytes: number;
  parameters: number;
  tensors: number;
  /** Bytes of tensors by their number format. */
  typeBytes: Record<string, number>;
}

/** A device beside the CPU. */
export interface NativeDevice {
  name: 'cuda' | 'metal' | 'vulkan';
  /** The hardware's own name; empty where there is none. */
  description: string;
  /** Why it cannot be used; empty where it can. */
  reason: string;
  /** Whether it computes on the CPU after all. */
  isSoftware: boolean;
  /** 0 where they are not known. */
  memoryBytes: number;
  freeMemoryBytes: number;
}

export interface NativeAddon {
  readonly ggmlVersion: string;
  /** The instruction set of the CPU kernels in use: `scalar`, `avx2` or `avx512`. */
  readonly isa: string;
  Cancellation: new () => NativeCancellation;
  loadLora(path: string): Promise<NativeLora>;
  /** All tensors of a small file as f32. */
  readTensors(path: string): Promise<{
    tensors: Record<string, { shape: number[]; values: Float32Array }>;
    metadata: Record<string, string>;
  }>;
  /** Reads headers only. */
  inspect(path: string): Promise<NativeModelInfo>;
  /** Plans the graphs of a request without loading the weights. */
  measure(path: string, options: NativeLoadOptions, request: NativeMemoryRequest): Promise<NativeMemoryUse>;
  /**
   * How many operations a second the CPU makes on registers alone, all threads together, in each kind of product that the kernels have; 0
   * where it has none. `seconds` for each kind, 0 to 2.
   */
  measurePeaks(threads: number, seconds: number, cancellation: NativeCancellation | null): Promise<NativeOperations>;
  /** Writes the model at `input` as one file; `onProgress` hears 0..1 on the JavaScript thread. */
  convert(
    input: string,
    output: string,
    options: NativeConversionOptions,
    cancellation: NativeCancellation | null,
    onProgress: ((fraction: number) => void) | null,
  ): Promise<NativeConversionResult>;
  /** In the order in which `auto` tries them; each that the build has is started and has to compute a product. */
  listDevices(): Promise<NativeDevice[]>;
  /** `onProgress` hears 0..1 on the JavaScript thread. */
  load(
    path: string,
    options: NativeLoadOptions,
    cancellation: NativeCancellation | null,
    onProgress: ((fraction: number) => void) | null,
  ): Promise<NativeModel>;
}
