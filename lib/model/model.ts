/** A loaded model: what its networks compute, in typed arrays. Control over them lies with the caller. */
import { availableParallelism } from 'node:os';
import { type IsolatedAddon, isIsolated, isolatedAddon } from '../binding/isolated/isolated-addon';
import { loadAddon } from '../binding/load';
import type {
  NativeAddition as Addition,
  NativeContext as Context,
  NativeEncodedText as EncodedText,
  NativeHint as Hint,
  NativeModelInfo as ModelInfo,
  NativeStats as ModelStats,
  NativeCancellation,
  NativeLora,
  NativeModel,
  NativePicture,
  NativeOperations as Operations,
  NativePerturbation as Perturbation,
  NativePredictOptions as PredictOptions,
  NativeResiduals as Residuals,
  NativeTextEncoderInfo as TextEncoderInfo,
} from '../binding/types';
import { DiffusionError, warn } from '../errors';
import { checkPath } from '../files';
import { AdapterSet, type AdapterUse, nativeUse } from './adapters';
import { callNative } from './cancellation';
import { type DeviceName, deviceNames } from './devices';
import type { Lora } from './lora';
import { checkPredictionOptions, chosenPrediction, type PredictionOptions } from './prediction';

export type {
  Addition,
  Context,
  EncodedText,
  Hint,
  ModelInfo,
  ModelStats,
  Operations,
  Perturbation,
  PredictOptions,
  Residuals,
  TextEncoderInfo,
};

/** The shape of latents or pixels, outermost first. */
export type PlanesShape = readonly [n: number, channels: number, height: number, width: number];

/** How a model is loaded. */
export interface ModelOptions extends PredictionOptions {
  /**
   * Where it runs. `auto` is a GPU where this build of the addon has one that passes its probe, else the CPU, as always in the default
   * build. Networks that a device cannot hold stay on the CPU, which the process warning `ND_ON_THE_CPU` tells.
   * `info.device` says what it came to. Default `auto`.
   */
  device?: DeviceName;
  /**
   * Number format of the weights of linear layers and convolutions in memory: `auto` keeps the file's, else `f32`, `f16`, `bf16` or
   * a ggml quantised type such as `q8_0`, `q5_1`, `q4_0`, `q4_k`. Activations are f32. Default `auto`.
   */
  precision?: string;
  /** Compute threads, 1 to 512. Results do not depend on it. Default: as many as the machine runs at once. */
  threads?: number;
  /**
   * Bytes that the compute buffer may take, weights not counted. Above it pictures are decoded and encoded in tiles; a call that needs more
   * even so, as a step at a large size may, rejects with `OUT_OF_MEMORY`, which says how much. Default: no limit, but tiles from 1 GiB on.
   */
  memoryBudgetBytes?: number;
  /**
   * Runs the engine in a process of its own, which a crash ends in place of this one: what is under way then rejects with
   * `ENGINE_CRASHED`, and the next call starts the process and loads the model again. An isolated model in place of `true`
   * means its process: what one model makes for another has to be in one. Default false.
   */
  isolate?: boolean | Model;
  /** Hears how much is loaded, 0 to 1. */
  onProgress?: (fraction: number) => void;
  /** Stops the loading, which then rejects with `ABORTED`. */
  signal?: AbortSignal;
}

/** For a part of a model file. */
export interface PartOptions {
  /** Leaves out all but the VAE. Default: the whole model. */
  only?: 'vae';
  /** Of a VAE whose file does not say it. Default 0.18215, Stable Diffusion's. */
  scalingFactor?: number;
}

/** What changes a text encoder for one call. */
export interface TextChanges {
  /** LoRAs of the same model. Default none. */
  adapters?: AdapterSet;
  /** f32 `[n, width]`: what the ids from the vocabulary's size on stand for. Default none. */
  vectors?: Float32Array;
}

/** A loaded model: its networks, with typed arrays in and out. Calls wait for each other on a thread of the model's own. */
export class Model {
  private readonly loras_ = new WeakMap<Lora, Promise<NativeLora>>(); // that a process of its own has loaded
  private readonly disposal_ = new AbortController();

  private constructor(
    private readonly native_: NativeModel,
    /** What the file is, and how it was loaded. */
    readonly info: ModelInfo,
    private readonly addon_: IsolatedAddon,
  ) {}

  /**
   * Loads a model from a single file (safetensors, GGUF, PyTorch) or a diffusers folder.
   *
   * @throws INVALID_ARGUMENT for a bad option; DEVICE_UNAVAILABLE for a device that cannot be used here; FILE_NOT_FOUND, FILE_INVALID, UNKNOWN_ARCHITECTURE, MISSING_TENSOR, TENSOR_SHAPE or
   * UNSUPPORTED_TYPE for a file that cannot be used; OUT_OF_MEMORY; ABORTED
   */
  static async load(path: string, options: ModelOptions & PartOptions = {}): Promise<Model> {
    checkPath(path);
    const {
      precision = 'auto',
      threads = availableParallelism(),
      memoryBudgetBytes = null,
      device = 'auto',
      isolate = false,
    } = options;
    if (typeof precision !== 'string') throw invalid('precision', 'a string', precision);
    if (!deviceNames.includes(device)) throw invalid('device', `one of ${deviceNames.join(', ')}`, device);
    if (!Number.isInteger(threads) || threads < 1 || threads > 512)
      throw invalid('threads', 'an integer in 1..512', threads);
    if (memoryBudgetBytes !== null && !(Number.isSafeInteger(memoryBudgetBytes) && memoryBudgetBytes >= 0)) {
      throw invalid('memoryBudgetBytes', 'an integer of 0 or more', memoryBudgetBytes);
    }
    checkPredictionOptions(options);
    if (typeof isolate !== 'boolean' && !(isolate instanceof Model && isIsolated(isolate.addon_))) {
      throw invalid('isolate', 'true, false or an isolated model', isolate);
    }
    const { onProgress = null, signal, only, scalingFactor } = options;
    if (onProgress !== null && typeof onProgress !== 'function') throw invalid('onProgress', 'a function', onProgress);
    let thrown: { error: unknown } | undefined; // by onProgress: ends the loading
    const addon = isolate instanceof Model ? isolate.addon_ : isolate ? isolatedAddon() : loadAddon();
    const load = (cancellation: NativeCancellation | null) => {
      const report = (fraction: number) => {
        try {
          onProgress?.(fraction);
        } catch (error) {
          thrown ??= { error };
        }
      };
      const settings = { precision, threads, device, memoryBudgetBytes, only, scalingFactor };
      return addon.load(path, settings, cancellation, onProgress && report);
    };
    const native = await callNative(signal, load, addon);
    try {
      if (thrown) throw thrown.error;
      const { info } = native;
      if (info.deviceReason) warn('ND_ON_THE_CPU', `${path} is on the CPU, whole or in part: ${info.deviceReason}`);
      return new Model(native, { ...info, prediction: chosenPrediction(info.prediction, options) }, addon);
    } catch (error) {
      await native.dispose();
      throw error;
    }
  }

  /**
   * LoRAs for {@link encodeText} and {@link createContext}. The model itself stays as it is.
   *
   * @throws INVALID_ARGUMENT if a LoRA changes no layer of this model, TENSOR_SHAPE if it is for layers of another shape
   */
  async createAdapters(uses: readonly AdapterUse[]): Promise<AdapterSet> {
    const own = await Promise.all(uses.map(async (use) => nativeUse(use, await this.nativeOf(use.lora))));
    return new AdapterSet(await this.call(undefined, () => this.native_.createAdapters(own)), uses);
  }

  /**
   * int32 ids `[rows, contextLength]` -> f32 `[rows, contextLength, width]` of the text encoder, without the last `skipLayers` layers; after
   * the final norm, but in models with two encoders as the layer gives it.
   *
   * @param changes LoRAs, and f32 `vectors` `[n, width]` for the ids from the vocabulary's size on
   */
  async encodeText(
    ids: Int32Array,
    rows: number,
    skipLayers = 0,
    signal?: AbortSignal,
    changes?: TextChanges,
  ): Promise<Float32Array> {
    return (await this.encodeTextWith(1, ids, rows, skipLayers, signal, changes)).embeddings;
  }

  /**
   * The same by either encoder, with the pooled text where the encoder gives one: the second one's, of Stable Diffusion XL.
   *
   * @param changes as in {@link encodeText}
   */
  encodeTextWith(
    encoder: 1 | 2,
    ids: Int32Array,
    rows: number,
    skipLayers = 0,
    signal?: AbortSignal,
    { adapters, vectors }: TextChanges = {},
  ): Promise<EncodedText> {
    const changes = [adapters?.native ?? null, vectors ?? null] as const;
    return this.call(signal, (cancellation) =>
      this.native_.encodeText(ids, rows, skipLayers, encoder, cancellation, ...changes),
    );
  }

  /**
   * f32 `[rows, tokens, width]` -> a context for {@link predictNoise}, with which the UNet is changed by `adapters`; its memory goes when
   * it is collected, or with `dispose()`.
   *
   * @param addition where `info.unet.addition` is there, and only there
   */
  createContext(
    embeddings: Float32Array,
    rows: number,
    signal?: AbortSignal,
    addition: Addition | null = null,
    adapters?: AdapterSet,
  ): Promise<Context> {
    return this.call(signal, (cancellation) =>
      this.native_.createContext(embeddings, rows, addition, cancellation, adapters?.native ?? null),
    );
  }

  /**
   * The UNet's raw prediction for every conditioning of the context, in one batch: latents f32 `[n, channels, height, width]` (scaled
   * to unit variance), or `[context.rows, n, channels, height, width]` where each conditioning has its own (`shape` is `[n, channels,
   * height, width]` either way), timestep 0..999, possibly fractional -> f32 `[context.rows, n, channels, height, width]`. An
   * unconditional UNet takes pixels, whose sides are multiples of 2 to the power of its levels less one, and no context, and gives one
   * row. `options` may perturb the attention of some blocks.
   */
  predictNoise(
    latents: Float32Array,
    shape: PlanesShape,
    timestep: number,
    context: Context | null,
    signal?: AbortSignal,
    options: PredictOptions | null = null,
  ): Promise<Float32Array> {
    return this.call(signal, (cancellation) =>
      this.native_.predictNoise(latents, shape, timestep, context, options, cancellation),
    );
  }

  /**
   * Latents f32 `[n, channels, height, width]` -> pixels f32 `[n, 3, H, W]`, about -1..1. A picture whose decoding gives values that are
   * not numbers is decoded again in f32, which the process warning `ND_VAE_IN_F32` tells.
   *
   * @throws COMPUTE_FAILED where they are no numbers in f32 either
   */
  decodeLatents(latents: Float32Array, shape: PlanesShape, signal?: AbortSignal): Promise<Float32Array> {
    return this.call(signal, (cancellation) => this.native_.decode(latents, shape, cancellation)).then(told);
  }

  /** Pixels f32 `[n, 3, H, W]` in -1..1 -> latents f32 `[n, channels, h, w]`: the mean of the encoder's distribution. Warns and throws as {@link decodeLatents}. */
  encodeImage(pixels: Float32Array, shape: PlanesShape, signal?: AbortSignal): Promise<Float32Array> {
    return this.call(signal, (cancellation) => this.native_.encode(pixels, shape, cancellation)).then(told);
  }

  /** A ControlNet's hint: f32 `[1, 3, H, W]` in 0..1, the sides of which are `controlNet.downscale` times those of the latents. */
  embedHint(pixels: Float32Array, shape: PlanesShape, signal?: AbortSignal): Promise<Hint> {
    return this.call(signal, (cancellation) => this.native_.embedHint(pixels, shape, cancellation));
  }

  /**
   * A ControlNet's residuals for {@link predictNoise}'s options: latents, shape, timestep and context (its own, of the same rows) as there,
   * strengths f32 `[context.rows, controlNet.maps]`.
   */
  controlResiduals(
    latents: Float32Array,
    shape: PlanesShape,
    timestep: number,
    context: Context,
    hint: Hint,
    strengths: Float32Array,
    signal?: AbortSignal,
  ): Promise<Residuals> {
    return this.call(signal, (cancellation) =>
      this.native_.controlResiduals(latents, shape, timestep, context, hint, strengths, cancellation),
    );
  }

  /** An upscaler's: pixels f32 `[n, 3, H, W]` in -1..1 -> `upscaler.scale` times as large, about -1..1. `onProgress` hears 0..1. */
  upscale(
    pixels: Float32Array,
    shape: PlanesShape,
    signal?: AbortSignal,
    onProgress?: (fraction: number) => void,
  ): Promise<Float32Array> {
    return this.call(signal, (cancellation) => this.native_.upscale(pixels, shape, cancellation, onProgress ?? null));
  }

  /**
   * Aborted when the model is disposed of, with the `DISPOSED` error as its reason.
   * @internal
   */
  get disposal(): AbortSignal {
    return this.disposal_.signal;
  }

  /** Where the time went so far, waiting for the work in hand. */
  stats(): Promise<ModelStats> {
    return this.call(undefined, () => this.native_.stats());
  }

  /** Frees the weights. Calls that run or wait reject with `DISPOSED`, as do all later ones. Harmless when repeated. */
  async dispose(): Promise<void> {
    this.disposal_.abort(new DiffusionError('DISPOSED', 'the model was disposed of'));
    await this.native_.dispose();
  }

  /** As `dispose`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  /** A LoRA in the process that has the model. */
  private nativeOf(lora: Lora): Promise<NativeLora> | NativeLora {
    if (this.addon_ === loadAddon()) return lora.native;
    const known = this.loras_.get(lora);
    if (known) return known;
    const loaded = this.native_.loadLora(lora.info.path);
    this.loras_.set(lora, loaded);
    loaded.catch(() => this.loras_.delete(lora));
    return loaded;
  }

  private call<T>(signal: AbortSignal | undefined, call: (cancellation: NativeCancellation | null) => Promise<T>) {
    return callNative(signal, call, this.addon_);
  }
}

function invalid(name: string, expected: string, got: unknown): DiffusionError {
  const shown = typeof got === 'number' || typeof got === 'string' ? JSON.stringify(got) : typeof got;
  return new DiffusionError('INVALID_ARGUMENT', `${name}: expected ${expected}, got ${shown}`);
}

/** The VAE's values; says so where they had to be computed again. */
function told({ values, wasRetried }: NativePicture): Float32Array {
  if (wasRetried) {
    warn('ND_VAE_IN_F32', "the VAE gave values that are not numbers in the model's precision: computed again in f32");
  }
  return values;
}
