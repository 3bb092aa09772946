/** Upscalers of ESRGAN's kind: pictures made larger by a network. */
import { DiffusionError } from '../errors';
import { Image } from '../image/image';
import { withProgress } from '../model/cancellation';
import type { Model, ModelInfo, ModelOptions, PlanesShape } from '../model/model';
import { loadPart } from '../model/part';
import { toRgb8 } from './pictures';
import { inSlices } from './slices';
import { planesOf } from './source';

/** As of {@link Model.load}. */
export type UpscalerOptions = Omit<ModelOptions, 'prediction' | 'zeroTerminalSnr' | 'flowShift'>;

/** How {@link Upscaler.upscale} is watched and stopped. */
export interface UpscaleOptions {
  /** Stops the work, which then rejects with `ABORTED`. */
  signal?: AbortSignal;
  /** Hears how much is done, 0 to 1; above the memory budget a picture is done in tiles. */
  onProgress?: (fraction: number) => void;
}

/** A loaded upscaler; any number of pipelines may use it for their second passes. */
export class Upscaler {
  private constructor(private readonly model_: Model) {}

  /**
   * Loads an upscaler of ESRGAN's kind (RRDBNet; arXiv 1809.00219, 2107.10833) in any of its namings, from safetensors or a `.pth` file.
   *
   * @throws what {@link Model.load} throws; MISSING_COMPONENT if the file is something else
   */
  static async load(path: string, options: UpscalerOptions = {}): Promise<Upscaler> {
    return new Upscaler(await loadPart(path, options, 'upscaler', 'an upscaler'));
  }

  /** What the file is; `info.upscaler` is there. */
  get info(): ModelInfo {
    return this.model_.info;
  }

  /** How much larger the sides become. */
  get scale(): number {
    return this.model_.info.upscaler!.scale;
  }

  /**
   * The picture `scale` times as large. Its parameters, which tell of the size that it had, are left behind.
   *
   * @param options how it is watched and stopped
   * @throws INVALID_ARGUMENT; ABORTED; DISPOSED; OUT_OF_MEMORY
   */
  async upscale(image: Image, { signal, onProgress }: UpscaleOptions = {}): Promise<Image> {
    if (!(image instanceof Image)) throw invalid('image', 'an Image', image);
    if (onProgress !== undefined && typeof onProgress !== 'function')
      throw invalid('onProgress', 'a function', onProgress);
    const { width, height } = image;
    const planes = await inSlices(planesOf(image, image));
    const pixels = await withProgress(signal, onProgress, (stops, report) =>
      this.upscalePixels(planes, [1, 3, height, width], stops, report ?? undefined),
    );
    const [w, h] = [width * this.scale, height * this.scale];
    return new Image(w, h, await inSlices(toRgb8(pixels, w * h)));
  }

  /** Pixels f32 `[n, 3, H, W]` in -1..1 -> `scale` times as large. */
  upscalePixels(
    pixels: Float32Array,
    shape: PlanesShape,
    signal?: AbortSignal,
    onProgress?: (fraction: number) => void,
  ): Promise<Float32Array> {
    return this.model_.upscale(pixels, shape, signal, onProgress);
  }

  /** Frees the weights. Calls that run or wait reject with `DISPOSED`, as do all later ones. Harmless when repeated. */
  dispose(): Promise<void> {
    return this.model_.dispose();
  }

  /** As `dispose`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

function invalid(name: string, expected: string, got: unknown): DiffusionError {
  return new DiffusionError('INVALID_ARGUMENT', `${name}: expected ${expected}, got ${typeof got}`);
}
